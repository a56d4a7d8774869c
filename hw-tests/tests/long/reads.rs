//! Nothing that starts is read twice, counted where the disk sees it: there is no
//! second answer that could differ from the one that was verified.

use super::{PIPELINE, slot};
use bootshim::medium::Extent;
use bootshim::slot::area_offset;
use controller::disk::Disk;
use controller::found::Found;
use hw_tests::machine::{CountedDisk, Machine};
use images::SLOT_AREA_LEN;
use images::manifest::Kind;

#[test]
fn kernel_initrd_and_manifest_are_read_from_the_disk_once() {
    let image = PIPELINE.disk("counted.img", 512).unwrap();
    let opened = Disk::open(&image).unwrap();
    let trust = controller::trust::keys(&opened).unwrap();
    let (record, _) = opened.read_record().unwrap();
    let found = Found::new(&opened, record, &trust);
    let manifest = found.manifest(slot("a")).unwrap();
    let place = opened.layout().slot(slot("a")).unwrap().extent;
    let at = |offset, len| Extent {
        start: place.start + offset,
        len,
    };
    let payload = |kind| {
        let payload = manifest.payload(kind).unwrap();
        at(payload.offset, payload.length)
    };
    let (kernel, initrd) = (payload(Kind::Kernel), payload(Kind::Initrd));
    let area = area_offset(place.len).unwrap();
    let area = at(area, u64::try_from(SLOT_AREA_LEN).unwrap());

    let disk = CountedDisk::new(&image, "counted").unwrap();
    let mut machine = Machine::new("counted").counted_disk(&disk).start().unwrap();
    machine.says("starting slot a, version 1.0, as good");
    // bootshim has read all that it starts, and Linux nothing yet: it reads the
    // manifest too, which it knows by its digest.
    assert_once("manifest", area, &disk.reads(area).unwrap());
    machine.says("a damaged block is a read error");
    let (code, _) = machine.get("/").unwrap();
    assert_eq!(code, 200, "production runs");
    assert_once("kernel", kernel, &disk.reads(kernel).unwrap());
    assert_once("initrd", initrd, &disk.reads(initrd).unwrap());
}

/// Each byte of the range is in exactly one of the reads.
fn assert_once(what: &str, range: Extent, reads: &[Extent]) {
    let mut sorted = reads.to_vec();
    sorted.sort_by_key(|read| read.start);
    let end = sorted.iter().try_fold(range.start, |end, read| {
        (read.start == end).then(|| read.end().unwrap())
    });
    assert_eq!(end, range.end(), "{what}: {reads:x?}");
}
