//! `__plan__.json`: the plan as data, without secrets, for resuming a run.

use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::Plan;
use crate::control::mask::hex;
use crate::secret::{Redactor, is_secret_name};

impl Plan {
    /// Returns the text of `__plan__.json`: the same for the same plan, whenever it is run.
    pub fn to_json(&self, redactor: &Redactor) -> String {
        let hosts: Vec<Value> = self
            .hosts
            .iter()
            .map(|host| {
                let mut stored =
                    json!({"name": host.name, "address": host.address, "params": host.params().0});
                if let Some(object) = stored.as_object_mut() {
                    let user = host.user.as_ref().map(|user| ("user", json!(user)));
                    let port = host.port.map(|port| ("port", json!(port)));
                    for (key, value) in [user, port].into_iter().flatten() {
                        object.insert(key.into(), value);
                    }
                }
                stored
            })
            .collect();
        let profiles: Vec<Value> = self
            .profiles
            .iter()
            .map(|profile| {
                let tests: Vec<Value> = profile
                    .tests
                    .iter()
                    .map(
                        |test| json!({"name": test.name, "kind": test.kind, "params": test.params}),
                    )
                    .collect();
                json!({
                    "name": profile.name,
                    "kind": profile.kind,
                    "params": profile.params,
                    "keep_assets": profile.keep_assets,
                    "tests": tests,
                })
            })
            .collect();
        let script = self.setup.script.as_ref().map(
            |(path, text)| json!({"path": path.to_string_lossy(), "sha1": hex(&Sha1::digest(text))}),
        );
        let plan = json!({
            "schema": "runperf-plan/1",
            "hosts": hosts,
            "distro": self.options.distro,
            "guest_distro": self.options.guest_distro,
            "host_setup_script": script,
            "host_packages": self.options.host_packages,
            "profiles": profiles,
            "retry_tests": self.options.retry_tests,
            "time_limit_s": self.options.time_limit.map(|limit| limit.as_secs()),
            "monitor_interval_s": self.options.monitor_interval.map(|interval| interval.as_secs_f64()),
        });
        // Pretty printing a value made of JSON values cannot fail.
        let mut text = redact_values(plan, redactor);
        text.push('\n');
        text
    }
}

/// Masks secrets in texts only, so that the file stays JSON whatever a password looks like.
fn redact_values(mut value: Value, redactor: &Redactor) -> String {
    fn walk(value: &mut Value, redactor: &Redactor) {
        match value {
            Value::String(text) => *text = redactor.clean(text),
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, redactor)),
            Value::Object(object) => {
                for (key, item) in object {
                    if is_secret_name(key) && (item.is_string() || item.is_number()) {
                        *item = "***".into();
                    } else {
                        walk(item, redactor);
                    }
                }
            }
            _ => {}
        }
    }
    if let Some(object) = value.as_object_mut() {
        for (key, value) in object {
            if key != "schema" {
                walk(value, redactor);
            }
        }
    }
    format!("{value:#}")
}

/// Returns the SHA-256 of a plan's text, as `plan_sha256` of the metadata.
pub(crate) fn digest(text: &str) -> String {
    hex(&Sha256::digest(text))
}
