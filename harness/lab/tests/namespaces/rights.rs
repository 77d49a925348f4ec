//! Who may have a lab, and what those are told who may not.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;

use crate::process::{
    Holder, NOBODY, ROLE, Test, as_nobody, copy_for_all, device, in_own_mounts, lives, until,
};

pub(crate) const TESTS: [Test; 3] = [
    ("rights and obstacles", obstacles),
    ("a lab without root", rootless),
    ("a killed lab without root", || {
        let (_directory, mut holder) = hold_as_nobody();
        holder.process.kill().unwrap();
        until("the end of the probes", || !holder.sites.iter().any(|site| lives(site.probe)));
    }),
];

/// What a process tells that wants a lab, after `script`, when it is started by way of `before`.
fn check(script: &str, before: &[OsString], user: &str, told: &str) {
    let (directory, copy) = copy_for_all();
    let mut arguments = before.to_vec();
    arguments.extend([copy.into(), ROLE.into(), "enter".into(), directory.path().into()]);
    let output = in_own_mounts(script, &arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} {before:?}: {errors}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), told, "{script} {before:?}: {errors}");
    let written = std::fs::metadata(directory.path().join("written")).unwrap();
    assert_eq!(written.uid().to_string(), user, "{script} {before:?}: the file is another user's");
}

fn obstacles() {
    let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
    let nobody = as_nobody();
    let own = words("unshare --user --map-root-user");
    // Root by name only.
    let powerless = words("setpriv --bounding-set=-all --inh-caps=-all");
    let limited = |setting: &str| {
        let script = format!("echo 0 > /proc/sys/user/{setting}; exec \"$@\"");
        [own.clone(), vec!["sh".into(), "-ec".into(), script.into(), "sh".into()]].concat()
    };
    check("", &[], "0", "had the rights");
    check("", &own, "0", "had the rights");
    check(&device("666"), &nobody, NOBODY, "is in a user namespace");
    let told = "this machine has no /dev/net/tun; load the module `tun`, or give a container `--device /dev/net/tun`";
    check("mount -t tmpfs none /dev/net", &[], "0", told);
    let told = "/dev/net/tun is not open to this user; run as root, or `chmod 0666 /dev/net/tun` once";
    check(&device("600"), &nobody, NOBODY, told);
    let told = "the kernel's setting user.max_user_namespaces is 0; run as root, or \
                `sysctl -w user.max_user_namespaces=10000` once";
    check("", &[limited("max_user_namespaces"), powerless.clone()].concat(), "0", told);
    let told = "there are as many network namespaces as the kernel's setting user.max_net_namespaces allows; \
                raise it, or end what holds them";
    check("", &limited("max_net_namespaces"), "0", told);
    let told = "this process may not make user namespaces, as in a container without privileges or a chroot; \
                run outside of it, or start the container with `--privileged`";
    check(&device("666"), &powerless, "0", told);
}

fn hold_as_nobody() -> (tempfile::TempDir, Holder) {
    let (directory, copy) = copy_for_all();
    let mut arguments = as_nobody();
    arguments.extend([copy.into(), ROLE.into(), "hold".into(), "3".into()]);
    (directory, Holder::start(in_own_mounts(&device("666"), &arguments)))
}

fn rootless() {
    let (_directory, holder) = hold_as_nobody();
    for site in &holder.sites {
        assert!(lives(site.probe));
        let owner = std::fs::metadata(format!("/proc/{}", site.probe)).unwrap().uid();
        assert_eq!(owner.to_string(), NOBODY);
    }
}
