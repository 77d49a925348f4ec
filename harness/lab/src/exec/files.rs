//! Replaces the files that configure name resolution, for this process only.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// A directory in which the files are created for a moment: every Linux has it, and none of the files is below it.
const WORKSHOP: &str = "/proc";
/// Directories of services that would answer instead of the files.
const ANSWERERS: [&str; 2] = ["/run/nscd", "/var/run/nscd"];
/// An unused source or type of a mount.
const NONE: Option<&str> = None;

/// Replaces `/etc/resolv.conf`, `/etc/hosts` and the `hosts` line of `/etc/nsswitch.conf`. The process must have a
/// mount namespace of its own. A file that does not exist is not created: nothing is written to the machine's disks.
pub(super) fn replace(resolv_conf: &str, hosts: &str) -> io::Result<()> {
    // Mounts made here must not appear on the machine, nor the reverse.
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    // Links are resolved while the whole machine is visible. A file that cannot be read counts as empty.
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

/// The name service switch file with host names from `/etc/hosts` and then from DNS:
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
