//! What an ordinary server is asked for, and that the image arrives.

use super::nginx::each_byte_once;
use super::yard::{FIRST, SEGMENT, Yard, header, image, serving, small};
use crate::ran::says;
use controller::code::Code;
use install::source::{Settings, Source};
use std::time::Instant;

#[test]
fn an_image_is_fetched_in_parts_and_no_byte_twice() {
    let (yard, nginx) = (Yard::new(), serving(""));
    yard.installs(&nginx.url("wide.slotimg"));
    let served = nginx.log();
    assert_eq!(
        served[0].range,
        Some(0..FIRST),
        "the first request has the head"
    );
    assert!(served.iter().all(|one| one.status == 206));
    assert!(served.iter().all(|one| one.sent <= SEGMENT));
    each_byte_once(&served, image().len());
}

#[test]
fn an_image_that_is_there_already_costs_one_request() {
    let (yard, nginx) = (Yard::new(), serving(""));
    let address = nginx.url("small.slotimg");
    yard.installs(&address);
    let again = yard.install(&address).ok().json();
    assert_eq!(again["changed"], false);
    let served = nginx.log();
    // Two for the image itself, which is longer than the first asks for.
    assert_eq!(served.len(), 3, "{served:?}");
    assert_eq!(served[2].sent, FIRST);
}

#[test]
fn what_is_not_wanted_is_not_fetched() {
    let nginx = serving("");
    let mut source = Source::open(&nginx.url("wide.slotimg"), &Settings::default()).unwrap();
    let (header, _) = source.head().unwrap();
    assert!(source.seeks());
    let start = header.payload_offset().max(FIRST);
    // Two neighbours, then a gap that is worth a request, then one that is not.
    let far = start + 3 * SEGMENT;
    let wanted = [
        start..start + 5000,
        start + 5000..start + 6000,
        far..far + 7,
        far + 1007..far + 2000,
    ];
    source.want(wanted.to_vec()).unwrap();
    for range in &wanted {
        let mut buffer = vec![0; (range.end - range.start) as usize];
        source.fill(&mut buffer, images::Part::Chunk(0)).unwrap();
        assert!(buffer == image()[range.start as usize..range.end as usize]);
    }
    source.end(&header).unwrap();
    assert_eq!(source.bridged(), 1000);
    assert_eq!(source.fetched(), FIRST + 6000 + 2000);
    drop(source);
    let mut asked: Vec<_> = nginx
        .log()
        .into_iter()
        .filter_map(|one| one.range)
        .collect();
    asked.sort_by_key(|range| range.start);
    assert_eq!(asked, [0..FIRST, start..start + 6000, far..far + 2000]);
}

#[test]
fn what_was_announced_before_can_be_announced_anew() {
    let nginx = serving("");
    let mut source = Source::open(&nginx.url("wide.slotimg"), &Settings::default()).unwrap();
    source.head().unwrap();
    let whole = FIRST..image().len() as u64;
    source.want(vec![whole]).unwrap();
    source.want(vec![FIRST + 10..FIRST + 20]).unwrap();
    let mut buffer = [0; 10];
    source.fill(&mut buffer, images::Part::Chunk(0)).unwrap();
    assert_eq!(buffer, image()[FIRST as usize + 10..FIRST as usize + 20]);
    let error = source
        .fill(&mut buffer, images::Part::Chunk(1))
        .unwrap_err();
    assert_eq!(error.code, Code::Internal);
}

#[test]
fn from_a_server_without_parts_it_streams_and_says_so_once() {
    let (yard, nginx) = (Yard::new(), serving("max_ranges 0;"));
    let ran = yard.install(&nginx.url("wide.slotimg")).ok();
    assert_eq!(ran.json()["state"], "trying");
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    says(&ran.stderr, "gives no parts of a file");
    yard.bench.on_disk("verify b").ok();
    let served = nginx.log();
    assert_eq!(served.len(), 1);
    assert_eq!(served[0].sent, image().len() as u64);
}

#[test]
fn a_stream_throws_away_what_is_not_wanted() {
    let nginx = serving("max_ranges 0;");
    let mut source = Source::open(&nginx.url("wide.slotimg"), &Settings::default()).unwrap();
    let (header, _) = source.head().unwrap();
    assert!(!source.seeks());
    let at = header.payload_offset() as usize + 2_000_000;
    source.want(vec![at as u64..at as u64 + 10]).unwrap();
    let mut buffer = [0; 10];
    source.fill(&mut buffer, images::Part::Chunk(2)).unwrap();
    assert_eq!(buffer, image()[at..at + 10]);
    let behind = source.want(vec![0..10]).unwrap_err();
    assert_eq!(behind.code, Code::Internal);
    source.end(&header).unwrap();
    assert_eq!(source.fetched(), image().len() as u64);
}

#[test]
fn an_image_that_the_server_does_not_have_is_an_error_of_the_network() {
    let (yard, nginx) = (Yard::new(), serving(""));
    let error = yard.refuses(&nginx.url("nothing.slotimg"), 6, "network");
    says(&error["found"], "404");
    assert_eq!(nginx.log().len(), 1, "it is not tried again");
}

#[test]
fn a_server_that_is_not_there_is_an_error_of_the_network() {
    // Port 1 is nobody's.
    let error = Yard::new().refuses("http://127.0.0.1:1/v2.slotimg", 6, "network");
    says(&error["found"], "refused");
}

#[test]
fn what_is_no_address_is_wrong_use() {
    Yard::new().refuses("http:///v2.slotimg", 2, "bad-address");
}

#[test]
fn a_file_that_is_longer_or_shorter_than_its_image_is_refused_at_once() {
    let (yard, nginx) = (Yard::new(), serving(""));
    let image = image();
    let longer = [image, b"x"].concat();
    Yard::serve(&nginx.files(), "longer.slotimg", &longer);
    Yard::serve(&nginx.files(), "shorter.slotimg", &image[..image.len() - 1]);
    Yard::serve(&nginx.files(), "empty.slotimg", b"");
    Yard::serve(
        &nginx.files(),
        "page.slotimg",
        b"<html>Please log in</html>",
    );
    yard.refuses(&nginx.url("longer.slotimg"), 4, "not-intact");
    yard.refuses(&nginx.url("shorter.slotimg"), 4, "truncated");
    yard.refuses(&nginx.url("empty.slotimg"), 4, "not-an-image");
    yard.refuses(&nginx.url("page.slotimg"), 4, "not-an-image");
    assert_eq!(header(image).file_length(), image.len() as u64);
}

#[test]
fn a_redirect_is_followed_and_later_requests_go_there_at_once() {
    let lines = "location /old/ { rewrite ^/old/(.*)$ ../newer/$1 redirect; }\n\
                 location /newer/ { rewrite ^/newer/(.*)$ /$1 permanent; }\n\
                 location /round/ { return 302 /round/; }\n\
                 location /away/ { return 302 ftp://updates.example/image; }";
    let (yard, nginx) = (Yard::new(), serving(lines));
    yard.installs(&nginx.url("old/wide.slotimg"));
    let round = yard.refuses(&nginx.url("round/"), 6, "network");
    says(&round["found"], "redirects");
    let away = yard.refuses(&nginx.url("away/"), 6, "network");
    says(&away["found"], "leads nowhere");
    let served = nginx.log();
    let parts: Vec<_> = served.into_iter().filter(|one| one.status == 206).collect();
    each_byte_once(&parts, image().len());
}

#[test]
fn the_rate_is_kept_over_all_connections() {
    let nginx = serving("");
    for (rate, name, length) in [
        (400_000, "small.slotimg", small("v2.slotimg").len()),
        (6 << 20, "wide.slotimg", image().len()),
    ] {
        let settings = Settings {
            limit_rate: Some(rate),
            ..Settings::default()
        };
        let begin = Instant::now();
        let mut source = Source::open(&nginx.url(name), &settings).unwrap();
        let (header, rest) = source.head().unwrap();
        let mut payload = vec![0; header.payload_len as usize];
        source
            .want(vec![rest.len() as u64 + 64..length as u64])
            .unwrap();
        source.fill(&mut payload, images::Part::Chunk(0)).unwrap();
        let took = begin.elapsed().as_secs_f64();
        let expected = length as f64 / rate as f64;
        // Not faster; and slower only by what a busy machine takes.
        assert!(took >= 0.9 * expected, "{took} s instead of {expected}");
        assert!(took <= 2.0 * expected, "{took} s instead of {expected}");
    }
}

#[test]
fn a_limit_is_a_size_and_not_nothing() {
    let (yard, nginx) = (Yard::new(), serving(""));
    yard.installs(&format!("{} --limit-rate 4MiB", nginx.url("small.slotimg")));
    for rate in ["0", "fast", "-1", "1MB"] {
        yard.install(&format!("v2.slotimg --limit-rate {rate}"))
            .with_status(2);
    }
}
