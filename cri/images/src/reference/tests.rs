use super::*;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn normal(name: &str) -> String {
    Reference::parse(name).unwrap().to_string()
}

fn reason(name: &str) -> String {
    Reference::parse(name).unwrap_err().reason
}

#[test]
fn names_are_normalised_as_upstream_does() {
    for (written, meant) in [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.14.2", "docker.io/library/nginx:1.14.2"),
        ("reselbob/pinger", "docker.io/reselbob/pinger:latest"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/library/nginx", "docker.io/library/nginx:latest"),
        ("localhost/a", "localhost/a:latest"),
        ("localhost:5000/a/b", "localhost:5000/a/b:latest"),
        ("127.0.0.1:5000/a", "127.0.0.1:5000/a:latest"),
        ("[::1]:5000/a", "[::1]:5000/a:latest"),
        ("registry.example/a/b_c__d--e.f/g", "registry.example/a/b_c__d--e.f/g:latest"),
        ("foo/bar:T_a-g.1", "docker.io/foo/bar:T_a-g.1"),
        ("Host/a", "Host/a:latest"),
    ] {
        assert_eq!(normal(written), meant, "{written}");
    }
    assert_eq!(normal(&format!("nginx@{DIGEST}")), format!("docker.io/library/nginx@{DIGEST}"));
    assert_eq!(normal(&format!("nginx:1@{DIGEST}")), format!("docker.io/library/nginx:1@{DIGEST}"));
}

#[test]
fn a_digest_counts_more_than_a_tag() {
    let both = Reference::parse(&format!("nginx:1@{DIGEST}")).unwrap();
    assert_eq!(both.key(), format!("docker.io/library/nginx@{DIGEST}"));
    assert_eq!(both.tagged(), None);
    assert_eq!(Reference::parse("nginx").unwrap().tagged().unwrap(), "docker.io/library/nginx:latest");
}

#[test]
fn errors_have_the_texts_of_upstream() {
    let error = Reference::parse("a b").unwrap_err().to_string();
    assert_eq!(error, "couldn't parse image name \"a b\": invalid reference format");
    assert_eq!(
        reason("Nginx"),
        "invalid reference format: repository name (Nginx) must be lowercase"
    );
    assert!(reason(&"a".repeat(64)).contains("cannot specify 64-byte hexadecimal strings"));
    assert!(reason(&"a".repeat(256)).contains("must not be more than 255 characters"));
    assert_eq!(reason("nginx@md5:0123"), "unsupported digest algorithm");
    assert_eq!(reason("nginx@sha256:0123"), "invalid checksum digest length");
}

#[test]
fn what_is_no_name_is_refused() {
    for name in [
        "", ":", "@", "a:", "a@", "a:-b", "/a", "a/", "a//b", "a/../b", "-a", "a-", "a..b", "a___b", "a.-b",
        "http://a/b", "a:b:c", "a b", "a\n", "a?b=c", "-host.example/a", "host.example:port/a", "[::1/a", "[x]/a",
        "ä", "a@b@c", "a#b",
    ] {
        assert!(Reference::parse(name).is_err(), "{name:?}");
    }
    assert!(Reference::parse(&format!("a:{}", "t".repeat(129))).is_err());
}
