//! The packages in a clean Debian 12: installed, upgraded, removed, purged
//! (`make target/clean-debian.tar deb` makes what they need).

use hw_tests::machine::target;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// What the system writes down by itself, and the tests.
const THE_SYSTEMS: [&str; 9] = [
    "/asked",
    "/boot/",
    "/run/",
    "/said",
    "/tmp/",
    "/var/cache/",
    "/var/lib/dpkg/",
    "/var/lib/initramfs-tools",
    "/var/log/",
];

const SYSTEMCTL: &str = "#!/bin/sh\necho \"$@\" >>/asked\nexec /bin/systemctl \"$@\"\n";

/// A Debian with systemd, in a folder, with the packages beside it.
struct Debian {
    folder: TempDir,
}

impl Debian {
    /// What systemd is asked for there is written down, and it seems to run: maintainer
    /// scripts do all that they ever would.
    fn new() -> Debian {
        let folder = TempDir::new_in(target()).unwrap();
        let debian = Debian { folder };
        run(Command::new("tar")
            .args(["--extract", "--file"])
            .arg(target().join("clean-debian.tar"))
            .arg("--directory")
            .arg(debian.root()));
        debian.write("/usr/local/sbin/systemctl", SYSTEMCTL);
        debian.does("chmod +x /usr/local/sbin/systemctl; mkdir -p /run/systemd/system; : >/asked");
        debian
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.inside(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.inside(path)).unwrap()
    }

    fn inside(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    /// Runs a shell script there; what it said.
    fn does(&self, script: &str) -> String {
        let path = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin";
        let output = run(Command::new("chroot")
            .arg(self.root())
            .args(["sh", "-e", "-c", script])
            .env_clear()
            .env("PATH", path)
            .env("DEBIAN_FRONTEND", "noninteractive"));
        String::from_utf8(output.stdout).unwrap()
    }

    fn installs(&self, packages: &[PathBuf]) {
        for package in packages {
            fs::copy(package, self.inside("new.deb")).unwrap();
            self.does("dpkg --install /new.deb >/said 2>&1 || { cat /said; exit 1; }; rm /new.deb");
        }
    }

    /// Every file, folder and link but what the system itself writes down.
    fn files(&self) -> BTreeSet<String> {
        let found =
            run(Command::new("find")
                .arg(self.root())
                .args(["-mindepth", "1", "-printf", "/%P\n"]));
        let found = String::from_utf8(found.stdout).unwrap();
        let ours = |path: &&str| !THE_SYSTEMS.iter().any(|begins| path.starts_with(begins));
        found.lines().filter(ours).map(str::to_owned).collect()
    }
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}

/// The packages as `make deb` left them.
fn built() -> [PathBuf; 2] {
    let version = env!("CARGO_PKG_VERSION");
    ["slotctl", "slotctl-initramfs"]
        .map(|name| target().join(format!("deb/{name}_{version}_amd64.deb")))
}

/// The same package as a later version.
fn later(package: &Path, folder: &Path) -> PathBuf {
    let (tree, later) = (folder.join("later"), folder.join("later.deb"));
    run(Command::new("dpkg-deb").arg("-R").arg(package).arg(&tree));
    let control = tree.join("DEBIAN/control");
    let text = fs::read_to_string(&control).unwrap();
    let version = concat!("Version: ", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(version), "{text}");
    fs::write(&control, text.replace(version, &format!("{version}+later"))).unwrap();
    run(Command::new("dpkg-deb")
        .arg("--build")
        .arg(&tree)
        .arg(&later));
    later
}

#[test]
fn a_clean_debian_gets_the_packages_and_is_clean_again_when_they_are_purged() {
    let debian = Debian::new();
    let before = debian.files();
    debian.installs(&built());

    let version = debian.does("slotctl --version; /usr/lib/slotctl/slotctl-root --version");
    assert_eq!(
        version,
        format!("slotctl {0}\nslotctl-root {0}\n", env!("CARGO_PKG_VERSION"))
    );
    for path in [
        "/usr/lib/slotctl/BOOTX64.EFI",
        "/usr/lib/slotctl/BOOTAA64.EFI",
        "/usr/lib/slotctl/open-watchdog",
        "/lib/systemd/system/slotctl-watch.service",
        "/etc/systemd/system/sysinit.target.wants/slotctl-watch.service",
        "/usr/share/bash-completion/completions/slotctl",
        "/usr/share/zsh/vendor-completions/_slotctl",
        "/usr/share/fish/vendor_completions.d/slotctl.fish",
        "/usr/share/initramfs-tools/hooks/slotctl",
        "/usr/share/initramfs-tools/scripts/init-top/slotctl",
        "/usr/share/initramfs-tools/scripts/local-top/slotctl",
        "/usr/lib/dracut/modules.d/90slotctl/module-setup.sh",
    ] {
        let there = debian.inside(path).symlink_metadata();
        assert!(there.is_ok(), "{path}");
    }
    let verified = debian.does("systemd-analyze verify --man=no slotctl-watch.service 2>&1");
    assert_eq!(verified, "");

    debian.write("/etc/slotctl/slotctl.toml", "compatible = \"plc-4\"\n");
    debian.write("/var/lib/slotctl/events.log", "{}\n");
    debian.does("dpkg --remove slotctl slotctl-initramfs >/said 2>&1");
    debian.does("dpkg --purge slotctl slotctl-initramfs >/said 2>&1");
    let of_the_person = [
        "/etc/slotctl",
        "/etc/slotctl/slotctl.toml",
        "/var/lib/slotctl",
        "/var/lib/slotctl/events.log",
    ];
    let after = debian.files();
    let left: Vec<_> = after.difference(&before).collect();
    assert_eq!(left, of_the_person);
    let gone: Vec<_> = before.difference(&after).collect();
    assert!(gone.is_empty(), "{gone:?}");
}

#[test]
fn an_upgrade_neither_stops_nor_restarts_watch_nor_does_a_removal() {
    let debian = Debian::new();
    let built = built();
    debian.installs(&built);
    let [program, _] = &built;
    let folder = TempDir::new_in(target()).unwrap();
    debian.installs(&[later(program, folder.path())]);
    let version = debian.does("dpkg-query --show --showformat '${Version}' slotctl");
    assert_eq!(version, concat!(env!("CARGO_PKG_VERSION"), "+later"));
    debian.does("dpkg --remove slotctl >/said 2>&1");
    let asked = debian.read("/asked");
    let of_watch = asked.lines().filter(|line| line.contains("slotctl-watch"));
    let more: Vec<_> = of_watch
        .filter(|line| !line.ends_with("preset slotctl-watch.service"))
        .collect();
    assert!(more.is_empty(), "{asked}");
    // That it would have been heard.
    assert!(asked.contains("daemon-reload"), "{asked}");
}

#[test]
fn lintian_has_nothing_to_say_of_the_packages() {
    for package in built() {
        let said = run(Command::new("lintian")
            .args(["--fail-on", "error,warning"])
            .arg(&package));
        assert_eq!(String::from_utf8(said.stdout).unwrap(), "", "{package:?}");
    }
}

#[test]
fn each_man_page_is_read_without_a_warning() {
    let debian = Debian::new();
    let [program, _] = built();
    debian.installs(&[program]);
    let pages = debian.does("find /usr/share/man -name 'slotctl*'");
    assert!(pages.lines().count() > 20, "{pages}");
    for page in pages.lines() {
        let read = run(Command::new("man")
            .args(["--warnings", "--local-file"])
            .arg(debian.inside(page))
            .env("LC_ALL", "C.UTF-8")
            .env("MANWIDTH", "80"));
        assert_eq!(String::from_utf8(read.stderr).unwrap(), "", "{page}");
    }
}
