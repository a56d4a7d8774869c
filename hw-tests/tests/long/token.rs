//! The key in a token: PKCS#11, as docs/pipeline.md says, with SoftHSM for the hardware.

use super::PIPELINE;
use hw_tests::machine::target;
use std::process::Command;

const WITH_A_TOKEN: &str = r#"
set -eu
mkdir tokens
echo "directories.tokendir = $PWD/tokens" >softhsm2.conf
export SOFTHSM2_CONF="$PWD/softhsm2.conf"
M=/usr/lib/softhsm/libsofthsm2.so
softhsm2-util --init-token --free --label release --so-pin 12345678 --pin 1234
pkcs11-tool --module $M --login --pin 1234 --keypairgen --key-type EC:edwards25519 \
	--label release --id 01
p11tool --provider $M --export "pkcs11:token=release;id=%01;type=public" >token.pub
slotctl image tbs token.slotimg >tbs
pkcs11-tool --module $M --login --pin 1234 --sign --mechanism EDDSA --id 01 \
	--input-file tbs --output-file sig
slotctl image sign token.slotimg --signature sig --public token.pub
"#;

#[test]
fn what_a_token_signs_is_whole_and_installs_where_its_key_is_trusted() {
    let kernel = PIPELINE.part("vmlinuz");
    let root = PIPELINE.part("root-v2.erofs");
    #[rustfmt::skip]
    let words = [
        "image", "build", "--rootfs", &root, "--kernel", &kernel, "--cmdline", "quiet",
        "--compatible", "demo-plc", "--version", "2.0", "--out", "token.slotimg",
    ];
    PIPELINE.slotctl(&words).unwrap();
    let program = target().join("demo").display().to_string();
    let path = std::env::var("PATH").unwrap();
    let ran = Command::new("sh")
        .args(["-c", WITH_A_TOKEN])
        .current_dir(PIPELINE.directory())
        .env("PATH", format!("{program}:{path}"))
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");

    let disk = PIPELINE
        .disk("token.img", 512)
        .unwrap()
        .display()
        .to_string();
    let install = ["--disk", &disk, "install", "token.slotimg"];
    let refused = PIPELINE.slotctl(&install).unwrap_err().to_string();
    assert!(
        refused.contains("no signature by a trusted key"),
        "{refused}"
    );
    let bootshim = target().join("bootshim/BOOTX64.EFI").display().to_string();
    let trusting = ["--bootshim", &bootshim, "--trust", "token.pub"];
    PIPELINE
        .disk_of("by-token.img", 512, &trusting, "token.slotimg")
        .unwrap();
    let verify = ["--disk", "by-token.img", "verify", "a"];
    assert!(PIPELINE.slotctl(&verify).unwrap().contains("2.0"));
}
