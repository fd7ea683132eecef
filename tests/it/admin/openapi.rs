//! Checks the `OpenAPI` document of the admin listener against its behaviour.

use std::process::Command;

use crate::harness::http;
use crate::harness::management::{TOKEN, start};
use crate::harness::site::Site;

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "PATCH"];

/// Every described operation exists, and methods that are not described are refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_described_exists_and_what_is_not_does_not() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let admin = sidecar.client.admin;
    let document = http::request(admin, "GET", "/openapi.json", &[], b"").await;
    let document = document.unwrap().json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 15);
    let authorization = format!("Bearer {TOKEN}");
    for (path, operations) in paths {
        for method in METHODS {
            let is_described = operations.get(method.to_lowercase()).is_some();
            let headers = [("Authorization", authorization.as_str())];
            let target = path.replace("{id}", "999999");
            let answer = http::request(admin, method, &target, &headers, b"").await;
            let answer = answer.unwrap();
            assert_eq!(answer.status != 405, is_described, "{method} {path}");
            if is_described {
                let operation = &operations[method.to_lowercase()]["responses"];
                let status = answer.status.to_string();
                assert!(
                    operation.get(&status).is_some(),
                    "{method} {path}: {status}"
                );
            } else {
                let allowed = answer.header("allow").unwrap_or_default().to_owned();
                assert_eq!(
                    allowed.split(", ").count(),
                    operations.as_object().unwrap().len()
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes and needs schemathesis: make openapi"]
async fn openapi_stands_up_to_schemathesis() {
    let Some(schemathesis) = option_env!("SCHEMATHESIS") else {
        panic!("SCHEMATHESIS is not set: run this with \"make openapi\"");
    };
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let status = Command::new(schemathesis)
        .arg("run")
        .arg(format!("http://{}/openapi.json", sidecar.client.admin))
        .args(["--header", &format!("Authorization: Bearer {TOKEN}")])
        .args(["--max-examples", "60", "--seed", "1", "--no-color"])
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .status()
        .unwrap();
    assert!(status.success(), "schemathesis found something, see above");
    // Whatever was sent, every record is still readable, by the daemon and by other readers.
    for (_, record) in site.webhooks().await {
        assert!(record.starts_with("a:"), "{record}");
    }
    let keys = site
        .column("SELECT meta_key FROM wp_fcom_meta WHERE object_type = 'webhook'")
        .await;
    sidecar.client.record(&keys);
}
