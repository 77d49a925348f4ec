//! The files that tell a program how names become addresses, replaced for this process alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// Where the files are made, for a moment: a directory that every Linux has, and none of the files is below.
const WORKSHOP: &str = "/proc";
/// Directories of services that would answer in the place of the files.
const ANSWERERS: [&str; 2] = ["/run/nscd", "/var/run/nscd"];
/// What is not there, as a mount's source or type.
const NONE: Option<&str> = None;

/// Puts texts in the place of `/etc/resolv.conf`, `/etc/hosts` and the `hosts` line of `/etc/nsswitch.conf`. The
/// process must be in a mount namespace of its own. A file that does not exist stays away: nothing is created on
/// the machine's disks.
pub(super) fn replace(resolv_conf: &str, hosts: &str) -> io::Result<()> {
    // What is mounted here shall not appear on the machine, nor the reverse.
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    // Links are followed while all of the machine can be seen. A file that cannot be read says nothing.
    let switch = fs::read_to_string("/etc/nsswitch.conf").unwrap_or_default();
    let texts = [
        ("/etc/resolv.conf", resolv_conf.to_owned()),
        ("/etc/hosts", hosts.to_owned()),
        ("/etc/nsswitch.conf", by_files_and_dns(&switch)),
    ];
    let targets = texts.map(|(path, text)| (fs::canonicalize(path), text));
    for answerer in ANSWERERS.iter().filter_map(|path| fs::canonicalize(path).ok()) {
        memory(&answerer)?;
    }
    memory(Path::new(WORKSHOP))?;
    let placed = targets.into_iter().enumerate().try_for_each(|(number, (target, text))| match target {
        Ok(target) => place(number, &target, &text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    });
    umount2(WORKSHOP, MntFlags::MNT_DETACH)?;
    placed
}

/// Mounts an empty file system without a disk.
fn memory(path: &Path) -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    Ok(mount(Some("verdikt"), path, Some("tmpfs"), flags, Some("mode=0755"))?)
}

fn place(number: usize, target: &Path, text: &str) -> io::Result<()> {
    let source: PathBuf = Path::new(WORKSHOP).join(number.to_string());
    fs::write(&source, text)?;
    Ok(mount(Some(&source), target, NONE, MsFlags::MS_BIND, NONE)?)
}

/// The same file of the name service switch, with names of hosts from `/etc/hosts` and then from DNS:
/// <https://man7.org/linux/man-pages/man5/nsswitch.conf.5.html>.
fn by_files_and_dns(switch: &str) -> String {
    let others =
        switch.lines().filter(|line| line.split(':').next().is_none_or(|word| word.trim() != "hosts"));
    let lines = others.chain(["hosts: files dns"]);
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::by_files_and_dns;

    #[test]
    fn only_the_hosts_of_the_switch_change() {
        let check = by_files_and_dns;
        insta::assert_snapshot!(check(""), @"hosts: files dns");
        insta::assert_snapshot!(check("passwd: files systemd\n# hosts: nis\nhosts:  mymachines resolve [!UNAVAIL=return] files\nhosts : nis\nservices: db\n"), @r"
        passwd: files systemd
        # hosts: nis
        services: db
        hosts: files dns
        ");
    }
}
