//! Which URLs are refused before anything is looked up.

use crate::outbound::{HostPort, Outbound, Policy, UrlRefused};

use super::support::{Server, get, outbound, private, strict};

fn refused(outbound: &Outbound, url: &str) -> UrlRefused {
    outbound.check_url(url).err().unwrap_or_else(|| panic!("`{url}` was taken"))
}

/// Spellings of 127.0.0.1 and of what lies near it.
const INSIDE: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.1.",
    "%31%32%37.0.0.1",
    "１２７.0.0.1",
    "127。0。0。1",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "anything.localhost",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "10.0.0.1",
    "012.0.0.1",
    "192.168.1.1",
    "172.16.0.1",
    "100.64.0.1",
    "[fd00::8]",
    "[::ffff:10.0.0.1]",
    "[64:ff9b::a00:1]",
    "[2002:a00:1::]",
];

/// Never, whatever the policy says.
const NEVER: &[&str] = &[
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "[::ffff:169.254.169.254]",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "100.100.100.200",
    "168.63.129.16",
    "0.0.0.0",
    "0",
    "[::]",
    "224.0.0.1",
    "255.255.255.255",
    "[ff02::1]",
    "[64:ff9b:1::a00:1]",
    "[64:ff9b::7f00:1]",
    "[2001::1]",
    "192.0.2.1",
];

#[test]
fn addresses_inside_are_refused_in_every_spelling() {
    let outbound = outbound(strict());
    for host in INSIDE.iter().chain(NEVER) {
        assert_eq!(refused(&outbound, &format!("https://{host}/mcp")), UrlRefused::Address, "{host}");
        assert_eq!(refused(&outbound, &format!("https://{host}:8443/mcp")), UrlRefused::Address, "{host}");
        assert_eq!(refused(&outbound, &format!("http://{host}/mcp")), UrlRefused::Address, "{host}");
    }
}

#[tokio::test]
async fn a_request_is_refused_like_a_registration_and_reaches_nobody() {
    let server = Server::answering("").await;
    let outbound = outbound(strict());
    for host in INSIDE.iter().take(21) {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{}/", server.address.port()).parse().unwrap();
            let refusal = get(&outbound, &url).await.unwrap_err();
            assert_eq!(refusal.to_string(), UrlRefused::Address.to_string(), "{url}");
            assert!(!refusal.may_have_arrived());
        }
    }
    assert_eq!(server.count(), 0);
}

#[test]
fn private_upstreams_are_allowed_by_policy_but_link_local_and_metadata_never() {
    let outbound = outbound(private());
    for host in INSIDE {
        outbound.check_url(&format!("https://{host}/mcp")).unwrap();
    }
    for host in NEVER {
        assert_eq!(refused(&outbound, &format!("https://{host}/mcp")), UrlRefused::Address, "{host}");
    }
}

#[test]
fn plaintext_is_for_this_machine_only() {
    let outbound = outbound(private());
    for host in
        ["127.0.0.1", "127.8.8.8", "[::1]", "[::ffff:127.0.0.1]", "localhost", "a.localhost", "0x7f.1"]
    {
        outbound.check_url(&format!("http://{host}:3000/mcp")).unwrap();
    }
    for host in
        ["10.0.0.1", "8.8.8.8", "tools.example", "localhost.example", "notlocalhost", "[64:ff9b::a00:1]"]
    {
        assert_eq!(refused(&outbound, &format!("http://{host}/mcp")), UrlRefused::Plaintext, "{host}");
    }
}

#[test]
fn public_urls_are_taken_as_they_are() {
    let outbound = outbound(strict());
    for url in [
        "https://tools.example/mcp?x=1",
        "https://8.8.8.8/",
        "https://[2606:4700::1]:8443/",
        "https://a.b.c./",
    ] {
        assert_eq!(outbound.check_url(url).unwrap().as_str(), url);
    }
}

#[test]
fn other_schemes_userinfo_fragments_and_nonsense_are_refused() {
    let outbound = outbound(private());
    for url in
        ["ftp://tools.example", "file:///etc/passwd", "gopher://127.0.0.1:6379/_x", "data:,x", "javascript:1"]
    {
        assert_eq!(refused(&outbound, url), UrlRefused::Scheme, "{url}");
    }
    for url in ["https://user@tools.example", "https://u:p@tools.example", "https://tools.example@127.0.0.1"]
    {
        assert_eq!(refused(&outbound, url), UrlRefused::Userinfo, "{url}");
    }
    assert_eq!(refused(&outbound, "https://tools.example/#x"), UrlRefused::Fragment);
    for url in
        ["", "tools.example", "/mcp", "https://", "https://1.2.3.4.5", "https://[::1", "https://a b", "//x"]
    {
        assert_eq!(refused(&outbound, url), UrlRefused::Syntax, "{url}");
    }
}

fn owning(origins: &[&str]) -> Outbound {
    let own_origins = origins.iter().map(|origin| url::Url::parse(origin).unwrap().origin()).collect();
    outbound(Policy { allow_private: true, own_origins, ..Policy::default() })
}

#[test]
fn our_own_origins_are_refused_under_every_name() {
    let outbound = owning(&["http://127.0.0.1:7070", "https://tollbook.example"]);
    for url in [
        "http://127.0.0.1:7070/s/x/mcp",
        "https://127.0.0.1:7070/",
        "http://localhost:7070/",
        "http://x.localhost:7070/",
        "http://127.9.9.9:7070/",
        "http://[::1]:7070/",
        "http://[::ffff:127.0.0.1]:7070/",
        "http://2130706433:7070/",
        "https://tollbook.example/s/x/mcp",
        "https://TOLLBOOK.example:443/",
        "https://tollbook.example./",
    ] {
        assert_eq!(refused(&outbound, url), UrlRefused::OwnOrigin, "{url}");
    }
    for url in ["http://127.0.0.1:7071/", "https://tollbook.example:8443/", "https://a.tollbook.example/"] {
        outbound.check_url(url).unwrap();
    }
}

#[test]
fn listening_on_all_addresses_is_listening_on_loopback() {
    for own in ["http://0.0.0.0:7070", "http://[::]:7070", "http://localhost:7070"] {
        assert_eq!(refused(&owning(&[own]), "http://127.0.0.1:7070/"), UrlRefused::OwnOrigin, "{own}");
    }
}

#[test]
fn an_exception_names_one_host_and_one_port() {
    let exceptions = ["localhost:3000", "10.0.0.7:443", "[fd00::7]:8443", "Tools.Internal.:443"];
    let exceptions = exceptions.iter().map(|text| text.parse().unwrap()).collect();
    let outbound = outbound(Policy { exceptions, ..Policy::default() });
    for url in
        ["http://localhost:3000/", "https://10.0.0.7/", "https://[fd00::7]:8443/", "https://tools.internal/"]
    {
        outbound.check_url(url).unwrap();
    }
    for url in ["http://localhost:3001/", "https://10.0.0.7:444/", "https://10.0.0.8/", "https://[fd00::7]/"]
    {
        assert_eq!(refused(&outbound, url), UrlRefused::Address, "{url}");
    }
    let metadata = Policy { exceptions: vec!["169.254.169.254:80".parse().unwrap()], ..Policy::default() };
    assert_eq!(refused(&super::support::outbound(metadata), "http://169.254.169.254/"), UrlRefused::Address);
}

#[test]
fn an_exception_that_cannot_be_read_is_an_error() {
    for text in
        ["", "tools.internal", "tools.internal:", "tools.internal:x", "tools.internal:70000", ":443", "a b:1"]
    {
        assert!(text.parse::<HostPort>().is_err(), "{text}");
    }
    assert_eq!("0x7f.1:80".parse::<HostPort>().unwrap().to_string(), "127.0.0.1:80");
}
