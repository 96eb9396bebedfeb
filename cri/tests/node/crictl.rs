//! The stock client.

use std::process::{Command, Output};

use crate::harness::{Node, able, until, workspace};

fn crictl() -> String {
    let built = Command::new(workspace().join("tests/tools/ensure.sh")).arg("crictl").output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    String::from_utf8(built.stdout).unwrap().trim().to_owned()
}

struct Client<'a> {
    program: String,
    node: &'a Node,
}

impl Client<'_> {
    fn output(&self, args: &[&str]) -> Output {
        let endpoint = format!("unix://{}", self.node.socket().display());
        let mut command = Command::new(&self.program);
        command.args(["--config", "/dev/null", "-r", &endpoint, "-i", &endpoint]).args(args);
        command.output().unwrap()
    }

    /// What a command prints; it must succeed.
    fn run(&self, args: &[&str]) -> String {
        let output = self.output(args);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "crictl {args:?}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        text.trim().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn crictl_runs_a_pod_from_runp_to_rmp() {
    if !able() {
        return;
    }
    let node = Node::start().await;
    let client = Client { program: crictl(), node: &node };
    let directory = node.directory.path();
    let pod_file = directory.join("pod.json");
    let logs = directory.join("logs");
    let pod_config = serde_json::json!({
        "metadata": { "name": "web", "namespace": "default", "uid": "uid-1", "attempt": 1 },
        "hostname": "web",
        "log_directory": logs,
        "linux": {},
    });
    std::fs::write(&pod_file, pod_config.to_string()).unwrap();
    let container_file = directory.join("container.json");
    let container_config = serde_json::json!({
        "metadata": { "name": "main" },
        "image": { "image": "busybox" },
        "command": ["sh", "-c", "echo started; sleep 1000"],
        "log_path": "main.log",
        "linux": {},
    });
    std::fs::write(&container_file, container_config.to_string()).unwrap();
    let (pod_file, container_file) = (pod_file.to_str().unwrap(), container_file.to_str().unwrap());

    assert!(client.run(&["version"]).contains("kingpost"));
    let info: serde_json::Value = serde_json::from_str(&client.run(&["info"])).unwrap();
    let conditions = info["status"]["conditions"].as_array().unwrap();
    assert!(conditions.iter().all(|condition| condition["status"] == true), "{info}");
    assert!(client.run(&["images"]).contains("docker.io/library/busybox"));
    let pod = client.run(&["runp", pod_file]);
    let container = client.run(&["create", &pod, container_file, pod_file]);
    client.run(&["start", &container]);
    assert!(client.run(&["pods"]).contains("Ready"));
    assert!(client.run(&["ps"]).contains("Running"));
    assert!(client.run(&["inspectp", &pod]).contains("SANDBOX_READY"));
    assert!(client.run(&["inspect", &container]).contains("CONTAINER_RUNNING"));
    assert!(client.run(&["inspecti", "busybox"]).contains("sha256:"));
    assert_eq!(client.run(&["exec", "-s", &container, "echo", "hello"]), "hello");
    let failed = client.output(&["exec", "-s", &container, "sh", "-c", "exit 3"]);
    assert!(!failed.status.success());
    assert!(client.run(&["stats", "-s", "0", &container]).contains("main"));
    until("log line", || async { client.run(&["logs", &container]) == "started" }).await;
    // Ids can be shortened, as crictl prints them.
    let short = container.get(..13).unwrap();
    assert!(client.run(&["inspect", short]).contains(&container));
    client.run(&["stop", "-t", "0", &container]);
    assert!(client.run(&["ps", "-a"]).contains("Exited"));
    client.run(&["stopp", &pod]);
    assert!(client.run(&["pods"]).contains("NotReady"));
    client.run(&["rm", &container]);
    client.run(&["rmp", &pod]);
    assert_eq!(client.run(&["pods", "-q"]), "");
    assert_eq!(client.run(&["ps", "-a", "-q"]), "");
}
