//! A systemd that runs as process 1 of a system of its own, over an empty root that has
//! nothing of this machine's but `/usr`, which it cannot write. Needs root.

use nix::libc::SIGHUP;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Makes the root below the folder `$1`, and begins there. The bus listens in the folder
/// `bus`; the units are those of the folder `units`. Below `/test` is that folder.
const SYSTEM: &str = r#"
set -eu
root=$1/root
mkdir "$root" "$1/bus"
mount -t tmpfs none "$root"
cd "$root"
mkdir dev etc old proc run sys test tmp usr var
for link in bin lib lib64 sbin; do ln -s "usr/$link" "$link"; done
mount --bind /usr usr
mount -o remount,bind,ro usr
mount -t tmpfs none run
mkdir run/dbus
mount --bind "$1/bus" run/dbus
mount --bind "$1" test
# systemd would mount there the one that all systems of this kernel share.
mount -t tmpfs none dev
for node in full null random urandom zero; do
    : >"dev/$node"
    mount --bind "/dev/$node" "dev/$node"
done
mkdir -p etc/systemd/system
cp /etc/passwd /etc/group /etc/ld.so.cache /etc/nsswitch.conf etc/
cp "$1"/units/* etc/systemd/system/
mount -t proc none proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t tmpfs none sys
mkdir -p sys/fs/cgroup
mount -t cgroup2 none sys/fs/cgroup
pivot_root . old
umount -l /old
exec env -i container=test PATH=/usr/sbin:/usr/bin \
    /lib/systemd/systemd --system --unit=test.target --show-status=0
"#;

/// The bus of the system.
pub const BUS: [(&str, &str); 2] = [
    (
        "dbus.socket",
        "[Socket]\nListenStream=/run/dbus/system_bus_socket",
    ),
    (
        "dbus.service",
        "Requires=dbus.socket\n[Service]\nType=notify\n\
         ExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile",
    ),
];

pub struct System {
    process: Child,
    group: PathBuf,
}

impl System {
    /// With these units, none of which has to do with those of this machine. It begins
    /// with `test.target`.
    pub fn start<'a>(folder: &Path, own: impl IntoIterator<Item = (&'a str, &'a str)>) -> System {
        let units = folder.join("units");
        fs::create_dir(&units).unwrap();
        for (name, text) in own {
            let text = format!("[Unit]\nDefaultDependencies=no\n{text}\n");
            fs::write(units.join(name), text).unwrap();
        }
        let script = folder.join("system.sh");
        fs::write(&script, SYSTEM).unwrap();
        // Of those around it systemd sees and moves nobody.
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("slotctl-test-{}-{number}", std::process::id());
        let group = groups().join(name);
        fs::create_dir(&group).unwrap();
        let begin = "echo $$ >\"$0/cgroup.procs\" && exec unshare -m -p -f -u -i -C --kill-child /bin/sh \"$1\" \"$2\"";
        let process = Command::new("/bin/sh")
            .args(["-c", begin])
            .args([&group, &script])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        System { process, group }
    }

    /// Waits until it has restarted: of the process 1 of a container the kernel makes
    /// an end by this signal then.
    pub fn restarts(&mut self) {
        for _ in 0..6000 {
            if let Some(status) = self.process.try_wait().unwrap() {
                return assert_eq!(status.signal(), Some(SIGHUP), "{status}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the system has not restarted");
    }
}

impl Drop for System {
    fn drop(&mut self) {
        // All that is in it goes with process 1.
        let _ = self.process.kill();
        let _ = self.process.wait();
        for _ in 0..1000 {
            if remove(&self.group).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A control group goes when nobody is in it any more.
fn remove(group: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}

/// Where the control groups of version 2 are.
fn groups() -> PathBuf {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let mut mounts = mounts.lines().map(|line| line.split(' '));
    let place = mounts.find_map(|mut words| {
        let place = words.nth(1)?;
        (words.next()? == "cgroup2").then(|| PathBuf::from(place))
    });
    place.expect("control groups of version 2")
}
