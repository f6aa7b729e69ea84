//! What the outgoing client never reaches, however it is written, looked up or redirected to.

use http::Method;
use tenon_engine::egress::{Egress, EgressError, EgressPolicy, EgressRequest, Refused};
use tenon_testkit::upstream::{Answer, Upstream};

use crate::node::Names;

const VERBS: [&str; 9] = [
    "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND",
];

/// Opens in `tenon dev`, or by the allow list.
const LOOPBACK: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "127.255.255.254",
    "127.0.0.1.",
    "0x7f.1",
    "0x7f.0.0.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "%31%32%37.0.0.1",
    "１２７.0.0.1",
    "127。0。0。1",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:0001]",
    "[::127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
];

/// Opens by the allow list only.
const PRIVATE: &[&str] = &[
    "10.0.0.1",
    "0xa000001",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.0.1",
    "3232235521",
    "100.64.0.1",
    "100.127.255.254",
    "198.18.0.1",
    "[::ffff:10.0.0.1]",
    "[64:ff9b::10.0.0.1]",
    "[2002:a00:1::]",
    "[fd00::1]",
    "[fc00::1]",
    "[fdff:ffff::1]",
    "[fec0::1]",
];

/// Never opens.
const NEVER: &[&str] = &[
    "0.0.0.0",
    "0",
    "0x0",
    "[::]",
    "169.254.169.254",
    "169.254.170.2",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::169.254.169.254]",
    "[2002:a9fe:a9fe::]",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "224.0.0.1",
    "255.255.255.255",
    "[ff02::1]",
    "metadata",
    "metadata.google.internal",
    "METADATA.google.internal.",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
];

fn request(method: &str, url: &str) -> EgressRequest {
    EgressRequest::to(method.parse().unwrap(), url).unwrap()
}

fn get(url: &str) -> EgressRequest {
    EgressRequest::to(Method::GET, url).unwrap()
}

async fn refused(egress: &Egress, request: EgressRequest, what: &str) -> (Refused, u32) {
    match egress.send(request).await {
        Err(EgressError::Refused { reason, hop }) => (reason, hop),
        Err(other) => panic!("{what}: another error: {other:?}"),
        Ok(answer) => panic!("{what}: answered {}", answer.status),
    }
}

fn everything() -> EgressPolicy {
    EgressPolicy {
        allow: vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()],
        allow_loopback: true,
    }
}

#[tokio::test]
async fn faults_44_every_form_of_an_internal_address_is_refused_for_every_verb() {
    let server = Upstream::start(|_| Answer::text(200, "reached")).await;
    let names = Names::new(server.address(), &[&["127.0.0.1"]]);
    let closed = Egress::with_network(EgressPolicy::default(), names.clone());
    for host in [LOOPBACK, PRIVATE, NEVER].concat() {
        for scheme in ["http", "https"] {
            for verb in VERBS {
                let url = format!("{scheme}://{host}/latest");
                refused(&closed, request(verb, &url), &format!("{verb} {url}")).await;
            }
        }
    }
    assert!(names.dialled().is_empty(), "no connection was even opened");
    assert_eq!(server.count(), 0);
}

/// What opens, and that what opens is really reached: or the test above would hold for a client that reaches nothing.
#[tokio::test]
async fn faults_44_only_what_was_opened_is_open() {
    let server = Upstream::start(|_| Answer::text(200, "reached")).await;
    let names = Names::new(server.address(), &[&["127.0.0.1"]]);
    let dev = EgressPolicy {
        allow_loopback: true,
        ..EgressPolicy::default()
    };
    let cases = [
        (dev, LOOPBACK.to_vec(), [PRIVATE, NEVER].concat()),
        (everything(), [LOOPBACK, PRIVATE].concat(), NEVER.to_vec()),
    ];
    for (policy, open, shut) in cases {
        let egress = Egress::with_network(policy, names.clone());
        for host in open {
            let answer = egress.send(get(&format!("http://{host}/"))).await;
            assert_eq!(answer.unwrap().status, 200, "{host}");
        }
        names.dialled.lock().unwrap().clear();
        for host in shut {
            refused(&egress, get(&format!("http://{host}/")), host).await;
        }
        assert!(names.dialled().is_empty());
    }
    assert_eq!(server.count(), 2 * LOOPBACK.len() + PRIVATE.len());
}

/// A name whose time to live is nothing: it is looked up for every connection, and every answer is checked.
#[tokio::test]
async fn faults_45_a_name_that_changes_with_every_look_is_checked_every_time() {
    let server = Upstream::start(|_| {
        // The connection is not kept, so the next request needs another one.
        Answer::text(200, "ok").header("connection", "close")
    })
    .await;
    let public: &[&str] = &["93.184.215.14"];
    let turns: Vec<&[&str]> = vec![
        public,
        &["127.0.0.1"],
        public,
        &["169.254.169.254"],
        public,
        &["::ffff:10.0.0.1"],
        public,
        &["fd00::1"],
    ];
    let names = Names::new(server.address(), &turns);
    let egress = Egress::with_network(EgressPolicy::default(), names.clone());
    for (turn, answer) in turns.iter().enumerate() {
        let result = egress.send(get("http://ttl-zero.test/")).await;
        let is_public = answer[0] == "93.184.215.14";
        match result {
            Ok(answer) => {
                assert!(is_public, "turn {turn}");
                answer.collect(1 << 20).await.unwrap();
            }
            Err(EgressError::Refused { .. }) => assert!(!is_public, "turn {turn}"),
            Err(other) => panic!("turn {turn}: {other:?}"),
        }
    }
    assert_eq!(server.count(), 4);
    let dialled = names.dialled();
    assert_eq!(dialled.len(), 4, "one look-up, one connection");
    assert!(
        dialled
            .iter()
            .all(|address| address.to_string() == "93.184.215.14:80")
    );
}

/// One private address in any place among many.
#[tokio::test]
async fn faults_45_a_private_address_in_any_place_refuses_the_name() {
    let server = Upstream::start(|_| Answer::text(200, "ok")).await;
    let public = [
        "93.184.215.14",
        "93.184.215.15",
        "2606:4700::1111",
        "1.1.1.1",
    ];
    for private in ["10.0.0.8", "127.0.0.1", "::1", "fd00::1", "169.254.169.254"] {
        for place in 0..=public.len() {
            let mut answer = public.to_vec();
            answer.insert(place, private);
            let names = Names::new(server.address(), &[&answer]);
            let egress = Egress::with_network(EgressPolicy::default(), names.clone());
            let (reason, _) = refused(&egress, get("http://many.test/"), private).await;
            assert!(
                matches!(&reason, Refused::Address { address, .. } if address.to_string() == private),
                "{reason:?}"
            );
            assert!(names.dialled().is_empty());
        }
    }
    let names = Names::new(server.address(), &[&public]);
    let egress = Egress::with_network(EgressPolicy::default(), names.clone());
    assert_eq!(
        egress.send(get("http://many.test/")).await.unwrap().status,
        200
    );
}

/// The name of a redirect's target is looked up and checked like the first one.
#[tokio::test]
async fn faults_45_a_redirect_to_a_name_that_points_inside_is_refused() {
    let server = Upstream::start(|_| Answer::redirect(302, "http://rebound.test/")).await;
    let names = Names::new(server.address(), &[&["93.184.215.14"], &["192.168.1.1"]]);
    let egress = Egress::with_network(EgressPolicy::default(), names.clone());
    let (_, hop) = refused(&egress, get("http://first.test/"), "redirect").await;
    assert_eq!(hop, 1);
    assert_eq!(server.count(), 1);
    assert_eq!(names.dialled().len(), 1);
}

#[tokio::test]
async fn faults_46_every_kind_of_internal_target_is_refused_on_every_hop() {
    let inside = [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://10.0.0.1/",
        "http://[fd00::1]/",
        "http://100.64.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://metadata.google.internal/",
        "//0.0.0.0/",
        "file:///etc/passwd",
        "ftp://example.test/",
    ];
    for target in inside {
        for status in [301, 302, 303, 307, 308] {
            for hops in 1..=5_u32 {
                let server = Upstream::start(move |request| {
                    let step: u32 = request.path()[1..].parse().unwrap();
                    if step == hops {
                        Answer::redirect(status, target)
                    } else {
                        Answer::redirect(status, &format!("/{}", step + 1))
                    }
                })
                .await;
                let names = Names::new(server.address(), &[&["93.184.215.14"]]);
                let egress = Egress::with_network(EgressPolicy::default(), names.clone());
                let what = format!("{status} to {target} on hop {hops}");
                let (_, hop) = refused(&egress, get("http://public.test/1"), &what).await;
                assert_eq!(hop, hops, "{what}");
                assert_eq!(server.count(), hops as usize, "{what}");
                let went = names.dialled();
                let is_public =
                    |address: &std::net::SocketAddr| address.ip().to_string() == "93.184.215.14";
                assert!(went.iter().all(is_public), "{what}: {went:?}");
            }
        }
    }
}

/// Credentials that were left behind stay behind, also where the redirects lead back to their origin.
#[tokio::test]
async fn faults_46_credentials_do_not_cross_hosts_on_any_hop() {
    for hops in 1..=4_u32 {
        let server = Upstream::start(move |request| {
            let step: u32 = request.path()[1..].parse().unwrap();
            let host = if step == hops { "other" } else { "first" };
            if step > hops {
                Answer::text(200, "there")
            } else {
                Answer::redirect(307, &format!("http://{host}.test/{}", step + 1))
            }
        })
        .await;
        let names = Names::new(server.address(), &[&["93.184.215.14"]]);
        let egress = Egress::with_network(EgressPolicy::default(), names);
        let mut request = get("http://first.test/1");
        for (name, value) in [
            ("authorization", "Bearer secret"),
            ("cookie", "session=secret"),
            ("x-api-key", "secret"),
            ("proxy-authorization", "secret"),
        ] {
            request = request.header(name, value).unwrap();
        }
        assert_eq!(egress.send(request).await.unwrap().status, 200);
        let seen = server.received();
        assert_eq!(seen.len() as u32, hops + 1);
        for (number, request) in seen.iter().enumerate() {
            let is_home = request.header("host") == Some("first.test");
            assert_eq!(is_home, number < hops as usize);
            for name in ["authorization", "cookie", "x-api-key"] {
                assert_eq!(
                    request.header(name).is_some(),
                    is_home,
                    "{name} on {number}"
                );
            }
        }
    }
}

/// What a provider writes into its head cannot become another header, or another answer.
#[tokio::test]
async fn faults_48_a_provider_cannot_split_its_answer() {
    for line in [
        "x-a: b\0c",
        "x-a: b\rx-evil: 1",
        "x-a: b\r\r\nx-evil: 1",
        "x\0a: b",
        "x a: b",
        "x-a : b",
        ": b",
        "x-\u{e9}: b",
        "x-a: b\x01",
        "x-a: b\x7f",
    ] {
        let raw = format!("HTTP/1.1 200 OK\r\n{line}\r\ncontent-length: 2\r\n\r\nok");
        let server = Upstream::start(move |_| Answer::Raw(raw.clone().into())).await;
        let egress = Egress::new(everything());
        match egress.send(get(&server.url("/"))).await {
            Err(EgressError::Protocol(_)) => {}
            Err(other) => panic!("{line:?}: {other:?}"),
            Ok(answer) => panic!("{line:?}: {:?}", answer.headers),
        }
        assert_eq!(server.count(), 1);
    }
    let server = Upstream::start(|_| Answer::text(200, "ok").header("x-a", "b c\td")).await;
    let answer = Egress::new(everything()).send(get(&server.url("/"))).await;
    assert_eq!(answer.unwrap().headers["x-a"], "b c\td");
}
