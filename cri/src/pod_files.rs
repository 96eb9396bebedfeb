//! A sandbox's `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf`, in the directory of its record.

use std::fs;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use kingpost_proto::cri::{DnsConfig, NamespaceMode, PodSandboxConfig};

use crate::error::{CriError, Result};
use crate::spec::sandbox_options;

/// Longest host name of Linux (uname(2)).
const MAX_HOSTNAME: usize = 64;

/// Checks what goes into these files: a newline would add lines of the caller's making (CVE-2024-5154's class).
pub(crate) fn check(config: &PodSandboxConfig) -> Result<()> {
    let host_network = sandbox_options(config).network() == NamespaceMode::Node;
    if config.hostname.is_empty() && !host_network {
        return Err(CriError::field("hostname", "is required unless the network namespace is the node's"));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if config.hostname.len() > MAX_HOSTNAME || !config.hostname.bytes().all(allowed) {
        return Err(CriError::field("hostname", format!("{:?} is no host name", config.hostname)));
    }
    let Some(dns) = &config.dns_config else { return Ok(()) };
    for (index, server) in dns.servers.iter().enumerate() {
        if server.split('%').next().is_none_or(|address| address.parse::<IpAddr>().is_err())
            || server.contains(char::is_whitespace)
        {
            return Err(CriError::field(
                format!("dns_config.servers[{index}]"),
                format!("{server:?} is no address"),
            ));
        }
    }
    for (name, values) in [("searches", &dns.searches), ("options", &dns.options)] {
        for (index, value) in values.iter().enumerate() {
            if value.is_empty()
                || value.contains(|letter: char| letter.is_whitespace() || letter.is_control())
            {
                let field = format!("dns_config.{name}[{index}]");
                return Err(CriError::field(field, format!("{value:?} has a space or control character")));
            }
        }
    }
    Ok(())
}

/// Writes the three files.
pub(crate) fn write(directory: &Path, config: &PodSandboxConfig, ips: &[IpAddr]) -> Result<()> {
    let host_network = sandbox_options(config).network() == NamespaceMode::Node;
    let hostname = if config.hostname.is_empty() { host_name() } else { config.hostname.clone() };
    let hosts = if host_network { host_file("/etc/hosts")? } else { hosts(&hostname, ips) };
    let resolv = match &config.dns_config {
        Some(dns) if *dns != DnsConfig::default() => resolv_conf(dns),
        _ => host_file("/etc/resolv.conf")?,
    };
    for (name, content) in [("hosts", hosts), ("hostname", format!("{hostname}\n")), ("resolv.conf", resolv)]
    {
        let path = directory.join(name);
        replace(&path, &content).map_err(|source| CriError::io("write", &path, source))?;
    }
    Ok(())
}

/// Overwrites in place: containers have the file mounted, and a rename would not reach them.
fn replace(path: &Path, content: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(path)?;
    file.write_all(content.as_bytes())?;
    // Whatever the umask was: any user inside must read it.
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn host_file(path: &str) -> Result<String> {
    match fs::read_to_string(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(CriError::io("read", Path::new(path), source))
        }
        content => Ok(content.unwrap_or_default()),
    }
}

fn hosts(hostname: &str, ips: &[IpAddr]) -> String {
    let mut file = String::from(
        "127.0.0.1\tlocalhost\n\
         ::1\tlocalhost ip6-localhost ip6-loopback\n\
         fe00::0\tip6-localnet\n\
         fe00::0\tip6-mcastprefix\n\
         fe00::1\tip6-allnodes\n\
         fe00::2\tip6-allrouters\n",
    );
    for ip in ips {
        file.push_str(&format!("{ip}\t{hostname}\n"));
    }
    file
}

fn resolv_conf(dns: &DnsConfig) -> String {
    let mut file = String::new();
    if !dns.searches.is_empty() {
        file.push_str(&format!("search {}\n", dns.searches.join(" ")));
    }
    for server in &dns.servers {
        file.push_str(&format!("nameserver {server}\n"));
    }
    if !dns.options.is_empty() {
        file.push_str(&format!("options {}\n", dns.options.join(" ")));
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(hostname: &str, dns: DnsConfig) -> PodSandboxConfig {
        PodSandboxConfig { hostname: hostname.into(), dns_config: Some(dns), ..PodSandboxConfig::default() }
    }

    #[test]
    fn files_have_upstreams_format() {
        let directory = tempfile::tempdir().unwrap();
        let dns = DnsConfig {
            servers: vec!["10.96.0.10".into(), "fe80::1%eth0".into()],
            searches: vec!["default.svc.cluster.local".into(), "svc.cluster.local".into()],
            options: vec!["ndots:5".into()],
        };
        let config = config("web-0", dns);
        check(&config).unwrap();
        write(directory.path(), &config, &["10.244.0.7".parse().unwrap()]).unwrap();
        let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
        assert_eq!(
            read("resolv.conf"),
            "search default.svc.cluster.local svc.cluster.local\nnameserver 10.96.0.10\nnameserver fe80::1%eth0\n\
             options ndots:5\n"
        );
        assert_eq!(read("hostname"), "web-0\n");
        assert!(read("hosts").starts_with("127.0.0.1\tlocalhost\n"));
        assert!(read("hosts").ends_with("10.244.0.7\tweb-0\n"));
    }

    /// SECURITY.md, S6.
    #[test]
    fn newlines_are_refused() {
        let no_dns = DnsConfig::default;
        assert!(check(&config("a\nb", no_dns())).is_err());
        assert!(check(&config("", no_dns())).is_err());
        assert!(check(&config(&"x".repeat(65), no_dns())).is_err());
        assert!(check(&config("a", DnsConfig { servers: vec!["1.1.1.1\nx".into()], ..no_dns() })).is_err());
        assert!(
            check(&config("a", DnsConfig { searches: vec!["a\nnameserver x".into()], ..no_dns() })).is_err()
        );
        assert!(check(&config("a", DnsConfig { options: vec!["a b".into()], ..no_dns() })).is_err());
    }
}
