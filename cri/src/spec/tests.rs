//! Golden values of whole specifications, and the refusals.

use std::collections::HashMap;
use std::path::Path;

use kingpost_proto::cri::{
    Capability, ContainerMetadata, Int64Value, KeyValue, LinuxContainerConfig, LinuxContainerResources,
    LinuxContainerSecurityContext, LinuxPodSandboxConfig, LinuxSandboxSecurityContext, Mount,
    MountPropagation, NamespaceMode, NamespaceOption, SecurityProfile, SupplementalGroupsPolicy,
    security_profile::ProfileType,
};
use oci_spec::image::{Config as ImageConfig, ConfigBuilder, ImageConfigurationBuilder};
use oci_spec::runtime::LinuxNamespaceType;
use serde_json::{Value, json};

use super::*;

/// A root file system in memory.
struct Files(HashMap<&'static str, &'static str>);

impl RootfsFiles for Files {
    fn read(&self, path: &str) -> Result<Option<String>, SpecError> {
        Ok(self.0.get(path).map(ToString::to_string))
    }
}

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/sh\nbad line\nx:y:z\n";
const GROUP: &str = "root:x:0:\nwww-data:x:33:\nextra:x:50000:root,www-data\nlog:x:4:www-data\n";

struct Case {
    sandbox: PodSandboxConfig,
    config: ContainerConfig,
    image: ImageConfig,
    host: Host,
}

impl Case {
    fn new() -> Self {
        let image = ConfigBuilder::default()
            .entrypoint(vec!["/entry".to_owned()])
            .cmd(vec!["default".to_owned()])
            .env(vec!["PATH=/bin".to_owned(), "A=image".to_owned()])
            .working_dir("/work".to_owned())
            .build()
            .unwrap();
        Self {
            sandbox: PodSandboxConfig { hostname: "web".into(), ..PodSandboxConfig::default() },
            config: ContainerConfig {
                metadata: Some(ContainerMetadata { name: "c".into(), attempt: 0 }),
                linux: Some(LinuxContainerConfig {
                    resources: Some(LinuxContainerResources::default()),
                    security_context: Some(LinuxContainerSecurityContext::default()),
                }),
                ..ContainerConfig::default()
            },
            image,
            host: Host {
                apparmor: false,
                selinux: false,
                swap_accounting: true,
                cgroup_v2: false,
                bounding: u64::MAX >> 23,
            },
        }
    }

    fn security(&mut self) -> &mut LinuxContainerSecurityContext {
        self.config.linux.as_mut().unwrap().security_context.as_mut().unwrap()
    }

    fn image(&mut self, change: impl FnOnce(&mut ImageConfig)) {
        change(&mut self.image);
    }

    fn build(&self) -> Result<Built, SpecError> {
        let image = ImageConfigurationBuilder::default()
            .os(oci_spec::image::Os::Linux)
            .architecture(oci_spec::image::Arch::Amd64)
            .rootfs(oci_spec::image::RootFs::default())
            .config(self.image.clone())
            .build()
            .unwrap();
        build(&Inputs {
            sandbox: &self.sandbox,
            config: &self.config,
            image: &image,
            rootfs: &Files(HashMap::from([("etc/passwd", PASSWD), ("etc/group", GROUP)])),
            pod_files: Path::new("/pod"),
            target_pid: None,
            cgroups_path: "/kubepods/pod1/c1".into(),
            host: &self.host,
        })
    }

    fn json(&self) -> Value {
        serde_json::to_value(self.build().unwrap().spec).unwrap()
    }

    /// The field that a refusal names.
    fn refused(&self) -> String {
        match self.build() {
            Err(SpecError::Field { field, .. }) => field,
            Err(SpecError::Image { what, .. }) => format!("image {what}"),
            other => panic!("not refused: {other:?}"),
        }
    }
}

#[test]
fn a_plain_container_has_the_defaults_of_its_image() {
    let spec = Case::new().json();
    let process = &spec["process"];
    assert_eq!(process["args"], json!(["/entry", "default"]));
    assert_eq!(process["env"], json!(["PATH=/bin", "HOSTNAME=web", "A=image", "HOME=/root"]));
    assert_eq!(process["cwd"], json!("/work"));
    assert_eq!(process["user"], json!({ "uid": 0, "gid": 0, "additionalGids": [0, 50000] }));
    assert_eq!(process["noNewPrivileges"], json!(false));
    assert_eq!(process["capabilities"]["inheritable"], json!([]));
    assert_eq!(process["capabilities"]["bounding"].as_array().unwrap().len(), 14);
    assert_eq!(spec["root"]["readonly"], json!(false));
    assert_eq!(spec["linux"]["cgroupsPath"], json!("/kubepods/pod1/c1"));
    assert!(spec["linux"].get("seccomp").is_none());
    let destinations: Vec<_> = spec["mounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mount| mount["destination"].as_str().unwrap())
        .collect();
    assert_eq!(
        destinations,
        [
            "/proc",
            "/dev",
            "/dev/pts",
            "/dev/mqueue",
            "/dev/shm",
            "/sys",
            "/sys/fs/cgroup",
            "/etc/hosts",
            "/etc/hostname",
            "/etc/resolv.conf"
        ]
    );
    let namespaces: Vec<_> =
        spec["linux"]["namespaces"].as_array().unwrap().iter().map(|ns| ns["type"].clone()).collect();
    assert_eq!(json!(namespaces), json!(["mount", "cgroup", "network", "ipc", "uts", "pid"]));
}

#[test]
fn command_args_and_environment_replace_those_of_the_image() {
    let mut case = Case::new();
    case.config.args = vec!["a".into()];
    assert_eq!(case.json()["process"]["args"], json!(["/entry", "a"]));
    case.config.command = vec!["/cmd".into()];
    assert_eq!(case.json()["process"]["args"], json!(["/cmd", "a"]));
    case.config.args.clear();
    assert_eq!(
        case.json()["process"]["args"],
        json!(["/cmd"]),
        "the image's command goes with its entry point"
    );
    case.config.envs = vec![
        KeyValue { key: "A".into(), value: b"request".to_vec() },
        KeyValue { key: "B".into(), value: b"x=y".to_vec() },
    ];
    let env = case.json()["process"]["env"].clone();
    assert_eq!(env, json!(["PATH=/bin", "HOSTNAME=web", "A=request", "B=x=y", "HOME=/root"]));
}

#[test]
fn no_command_at_all_is_an_error() {
    let mut case = Case::new();
    case.image = ImageConfig::default();
    assert_eq!(case.refused(), "command");
}

#[test]
fn users_come_from_request_or_image() {
    let groups = |case: &Case| case.build().unwrap().user;
    let mut case = Case::new();
    case.image(|image| {
        image.set_user(Some("www-data:log".into()));
    });
    let user = groups(&case);
    assert_eq!((user.uid, user.gid, user.supplemental_groups), (33, 4, vec![4, 50000]));
    case.security().run_as_user = Some(Int64Value { value: 1000 });
    let user = groups(&case);
    assert_eq!((user.uid, user.gid, user.supplemental_groups), (1000, 0, vec![0]));
    case.security().run_as_group = Some(Int64Value { value: 2000 });
    case.security().supplemental_groups = vec![3000, 7];
    let user = groups(&case);
    assert_eq!((user.uid, user.gid, user.supplemental_groups), (1000, 2000, vec![7, 2000, 3000]));
    case.security().run_as_user = None;
    case.security().run_as_username = "www-data".into();
    case.security().supplemental_groups_policy = SupplementalGroupsPolicy::Strict.into();
    assert_eq!(groups(&case).supplemental_groups, [7, 2000, 3000]);
}

/// SECURITY.md, S7 and CVE-2024-40635.
#[test]
fn users_that_do_not_resolve_are_refused() {
    for user in ["-1", "4294967296", "2147483648", "nobody", "0:nogroup", "0:4294967295"] {
        let mut case = Case::new();
        case.image(|image| {
            image.set_user(Some(user.into()));
        });
        assert_eq!(case.refused(), "image User", "{user}");
    }
    let mut case = Case::new();
    case.security().run_as_group = Some(Int64Value { value: 1 });
    assert_eq!(case.refused(), "linux.security_context.run_as_group");
    let mut case = Case::new();
    case.security().run_as_user = Some(Int64Value { value: -5 });
    assert_eq!(case.refused(), "linux.security_context.run_as_user");
    case.security().run_as_username = "root".into();
    assert_eq!(case.refused(), "linux.security_context.run_as_username");
}

#[test]
fn capabilities_follow_all_first_and_names_after() {
    let set = |add: &[&str], drop: &[&str]| {
        let mut case = Case::new();
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        case.security().capabilities = Some(Capability {
            add_capabilities: list(add),
            drop_capabilities: list(drop),
            add_ambient_capabilities: Vec::new(),
        });
        let built = case.build().unwrap();
        let sets = built.spec.process().as_ref().unwrap().capabilities().clone().unwrap();
        capabilities::names(sets.bounding().as_ref())
    };
    assert_eq!(set(&["NET_ADMIN"], &["ALL"]).into_iter().collect::<Vec<_>>(), ["CAP_NET_ADMIN"]);
    let all = set(&["ALL"], &["CAP_CHOWN"]);
    assert_eq!(all.len(), 40);
    assert!(!all.contains("CAP_CHOWN"));
    let mut case = Case::new();
    case.security().capabilities =
        Some(Capability { add_capabilities: vec!["FLY".into()], ..Capability::default() });
    assert_eq!(case.refused(), "linux.security_context.capabilities.add_capabilities[0]");
}

#[test]
fn ambient_capabilities_are_in_every_set() {
    let mut case = Case::new();
    case.security().capabilities =
        Some(Capability { add_ambient_capabilities: vec!["NET_ADMIN".into()], ..Capability::default() });
    let sets = case.json()["process"]["capabilities"].clone();
    assert_eq!(sets["ambient"], json!(["CAP_NET_ADMIN"]));
    assert_eq!(sets["inheritable"], json!(["CAP_NET_ADMIN"]));
}

#[test]
fn privileged_needs_a_privileged_sandbox_and_lifts_everything() {
    let mut case = Case::new();
    case.security().privileged = true;
    case.security().seccomp = Some(SecurityProfile {
        profile_type: ProfileType::RuntimeDefault.into(),
        localhost_ref: String::new(),
    });
    assert_eq!(case.refused(), "linux.security_context.privileged");
    case.sandbox.linux = Some(LinuxPodSandboxConfig {
        security_context: Some(LinuxSandboxSecurityContext { privileged: true, ..Default::default() }),
        ..LinuxPodSandboxConfig::default()
    });
    let spec = case.json();
    assert!(spec["linux"].get("seccomp").is_none());
    assert_eq!(spec["linux"]["maskedPaths"], json!([]));
    assert_eq!(spec["linux"]["readonlyPaths"], json!([]));
    assert_eq!(spec["process"]["capabilities"]["bounding"].as_array().unwrap().len(), 41);
    let rules = spec["linux"]["resources"]["devices"].clone();
    assert_eq!(rules, json!([{ "allow": true, "type": "a", "access": "rwm" }]));
    let sys = spec["mounts"].as_array().unwrap().iter().find(|mount| mount["destination"] == "/sys").unwrap();
    assert!(sys["options"].as_array().unwrap().contains(&json!("rw")));
}

#[test]
fn mounts_are_bound_with_what_was_asked_for() {
    let host = tempfile::tempdir().unwrap();
    let link = host.path().join("link");
    std::os::unix::fs::symlink("/usr", &link).unwrap();
    let mut case = Case::new();
    case.config.mounts = vec![
        Mount {
            container_path: "/data/sub/".into(),
            host_path: link.display().to_string(),
            readonly: true,
            recursive_read_only: true,
            mount_options: vec!["noexec".into()],
            ..Mount::default()
        },
        Mount {
            container_path: "/data".into(),
            host_path: host.path().display().to_string(),
            propagation: MountPropagation::PropagationHostToContainer.into(),
            ..Mount::default()
        },
        Mount { container_path: "/etc/hosts".into(), host_path: "/etc/passwd".into(), ..Mount::default() },
    ];
    let spec = case.json();
    let mounts = spec["mounts"].as_array().unwrap();
    let find = |path: &str| mounts.iter().position(|mount| mount["destination"] == path).unwrap();
    assert!(find("/data") < find("/data/sub"), "parents first");
    let sub = &mounts[find("/data/sub")];
    assert_eq!(sub["source"], json!("/usr"), "links of the host are followed");
    assert_eq!(sub["options"], json!(["rbind", "rprivate", "rro", "noexec"]));
    assert_eq!(mounts[find("/data")]["options"], json!(["rbind", "rslave", "rw"]));
    assert_eq!(mounts.iter().filter(|mount| mount["destination"] == "/etc/hosts").count(), 1);
    assert_eq!(spec["linux"]["rootfsPropagation"], json!("rslave"));
}

#[test]
fn mounts_that_cannot_be_are_refused() {
    let refused = |mount: Mount| {
        let mut case = Case::new();
        case.config.mounts = vec![mount];
        case.refused()
    };
    let mount =
        |path: &str| Mount { container_path: path.into(), host_path: "/usr".into(), ..Mount::default() };
    assert_eq!(refused(mount("relative")), "mounts[0].container_path");
    assert_eq!(refused(mount("/a/../../etc")), "mounts[0].container_path");
    assert_eq!(refused(mount("/")), "mounts[0].container_path");
    assert_eq!(
        refused(Mount { host_path: "/nonexistent-path".into(), ..mount("/a") }),
        "mounts[0].host_path"
    );
    assert_eq!(refused(Mount { recursive_read_only: true, ..mount("/a") }), "mounts[0].recursive_read_only");
    assert_eq!(
        refused(Mount { mount_options: vec!["suid".into()], ..mount("/a") }),
        "mounts[0].mount_options"
    );
    let bidirectional = MountPropagation::PropagationBidirectional.into();
    assert_eq!(refused(Mount { propagation: bidirectional, ..mount("/a") }), "mounts[0].propagation");
    assert_eq!(refused(Mount { image_sub_path: "x".into(), ..mount("/a") }), "mounts[0].image");
}

#[test]
fn namespaces_of_the_node_are_not_made() {
    let mut case = Case::new();
    let options = NamespaceOption {
        network: NamespaceMode::Node.into(),
        pid: NamespaceMode::Node.into(),
        ipc: NamespaceMode::Node.into(),
        ..NamespaceOption::default()
    };
    case.sandbox.linux = Some(LinuxPodSandboxConfig {
        security_context: Some(LinuxSandboxSecurityContext {
            namespace_options: Some(options.clone()),
            ..LinuxSandboxSecurityContext::default()
        }),
        ..LinuxPodSandboxConfig::default()
    });
    case.security().namespace_options = Some(options);
    let built = case.build().unwrap();
    let namespaces = built.spec.linux().as_ref().unwrap().namespaces().clone().unwrap();
    let kinds: Vec<_> = namespaces.iter().map(|namespace| namespace.typ()).collect();
    assert_eq!(kinds, [LinuxNamespaceType::Mount, LinuxNamespaceType::Cgroup]);
    case.security().namespace_options = Some(NamespaceOption::default());
    assert_eq!(case.refused(), "linux.security_context.namespace_options.network");
}

#[test]
fn limits_are_checked_and_converted() {
    let mut case = Case::new();
    let resources =
        |case: &mut Case| case.config.linux.as_mut().unwrap().resources.insert(Default::default()).clone();
    let mut limits = resources(&mut case);
    limits.cpu_shares = 512;
    limits.cpu_quota = 50_000;
    limits.cpu_period = 100_000;
    limits.memory_limit_in_bytes = 1 << 20;
    limits.oom_score_adj = 999;
    case.config.linux.as_mut().unwrap().resources = Some(limits.clone());
    let spec = case.json();
    assert_eq!(
        spec["linux"]["resources"]["cpu"],
        json!({ "shares": 512, "quota": 50_000, "period": 100_000 })
    );
    assert_eq!(spec["linux"]["resources"]["memory"], json!({ "limit": 1 << 20, "swap": 1 << 20 }));
    assert_eq!(spec["process"]["oomScoreAdj"], json!(999));
    limits.cpuset_cpus = "0;1".into();
    case.config.linux.as_mut().unwrap().resources = Some(limits.clone());
    assert_eq!(case.refused(), "linux.resources.cpuset_cpus");
    limits.cpuset_cpus.clear();
    limits.oom_score_adj = 1001;
    case.config.linux.as_mut().unwrap().resources = Some(limits.clone());
    assert_eq!(case.refused(), "linux.resources.oom_score_adj");
    limits.oom_score_adj = 0;
    limits.unified = HashMap::from([("memory.max".into(), "1".into())]);
    case.config.linux.as_mut().unwrap().resources = Some(limits);
    assert_eq!(case.refused(), "linux.resources.unified");
}

#[test]
fn fields_that_are_not_honoured_are_refused_by_name() {
    let mut case = Case::new();
    case.config.cdi_devices = vec![kingpost_proto::cri::CdiDevice { name: "v.com/c=d".into() }];
    assert_eq!(case.refused(), "CDI_devices");
    let mut case = Case::new();
    case.security().apparmor =
        Some(SecurityProfile { profile_type: ProfileType::Localhost.into(), localhost_ref: "p".into() });
    assert_eq!(case.refused(), "linux.security_context.apparmor");
    let mut case = Case::new();
    case.security().selinux_options =
        Some(kingpost_proto::cri::SeLinuxOption { level: "s0".into(), ..Default::default() });
    assert_eq!(case.refused(), "linux.security_context.selinux_options");
}

/// SECURITY.md, S7: an image's environment is data.
#[test]
fn hostile_image_environments_are_refused() {
    for variable in ["no equals sign", "=x", "A=\0"] {
        let mut case = Case::new();
        case.image(|image| {
            image.set_env(Some(vec![variable.into()]));
        });
        assert_eq!(case.refused(), "image Env", "{variable:?}");
    }
    let mut case = Case::new();
    case.image(|image| {
        image.set_env(Some(vec![format!("A={}", "x".repeat(10 << 20))]));
    });
    assert_eq!(case.refused(), "envs");
}
