//! The spans that the collector receives in normal operation.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

use super::collector::{Closed, Collector, Mood, attribute, one};
use super::{ENDPOINT, PARENT, TRACE, TRUSTED_PROXIES, call_in_trace, line_about};
use crate::harness::http;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{KNOWN_USER, PLAIN_HOOK, Site};
use crate::harness::smtp_peer::{self, Play, Rules};

/// Those of any call. One that is alone counts its own run; of several, the tally does.
const CALL: [&str; 5] = ["POST", "provision", "read", "transaction", "commit"];

/// A daemon with a collector.
async fn traced(site: &Site, environment: &[(&str, &str)]) -> (Sidecar, Collector) {
    let closed = Closed::new();
    let endpoint = closed.endpoint();
    let collector = closed.open(Mood::Well);
    let environment = [&[(ENDPOINT, &*endpoint)], environment].concat();
    let sidecar = Sidecar::start_with(site, &environment).await;
    (sidecar, collector)
}

fn hex(id: &[u8]) -> String {
    let digits = 2 * id.len();
    let id: Vec<u8> = [&[0_u8; 16][..], id].concat();
    let id = u128::from_be_bytes(id[id.len() - 16..].try_into().unwrap());
    format!("{id:0digits$x}")
}

fn says(span: &Span, key: &str) -> Option<String> {
    attribute(&span.attributes, key)
}

fn is_child(child: &Span, parent: &Span) -> bool {
    child.parent_span_id == parent.span_id && child.trace_id == parent.trace_id
}

fn failed(span: &Span) -> bool {
    let status = span.status.as_ref().map(Status::code);
    status == Some(StatusCode::Error)
}

/// A new user, with all fields that must stay private.
const NEW: [(&str, &str); 4] = [
    ("email", "zaphod@example.com"),
    ("user_password", "correct horse"),
    ("first_name", "Zaphod"),
    ("user_login", "zaphod-b"),
];
/// No server is listening at the relay's wake-up address, nor for mail in these tests.
const RELAY: [(&str, &str); 3] = [
    ("FCOM_SIDECAR__RELAY__ENABLED", "true"),
    ("FCOM_SIDECAR__RELAY__URL", "http://127.0.0.1:9/"),
    ("FCOM_SIDECAR__RELAY__SECRET", "relay-secret-0123456789"),
];

#[tokio::test]
async fn a_call_is_a_tree_of_its_phases() {
    let site = Site::new("71").await;
    let (sidecar, collector) = traced(&site, &[]).await;
    let user = sidecar.client.execute(PLAIN_HOOK, &NEW).await;
    let spans = collector
        .wait_for(&[&CALL[..], &["password hash"]].concat())
        .await;

    let [request, provision, read, transaction, commit] = CALL.map(|name| one(&spans, name));
    assert_eq!(request.kind(), SpanKind::Server);
    assert!(request.parent_span_id.is_empty());
    for (key, value) in [
        ("http.request.method", "POST"),
        ("http.response.status_code", "200"),
        ("url.scheme", "https"),
        ("network.protocol.version", "1.1"),
        ("call.outcome", "created"),
    ] {
        assert_eq!(says(request, key).as_deref(), Some(value), "{key}");
    }
    assert!(is_child(provision, request));
    assert_eq!(says(provision, "user.id"), Some(user.to_string()));
    let hash = one(&spans, "password hash");
    for child in [read, hash, transaction] {
        assert!(is_child(child, provision), "{}", child.name);
    }
    assert!(is_child(commit, transaction));
    assert_eq!(commit.kind(), SpanKind::Client);
    assert_eq!(says(commit, "db.system.name").as_deref(), Some("mysql"));
    for span in [request, provision, read, hash, transaction, commit] {
        assert!(!failed(span), "{}", span.name);
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
        assert!(request.start_time_unix_nano <= span.start_time_unix_nano);
        assert!(span.events.is_empty());
    }
    let is_last = transaction.end_time_unix_nano >= commit.end_time_unix_nano;
    assert!(is_last, "the transaction ends with its commit");
}

#[tokio::test]
async fn mails_and_wake_ups_are_traces_of_their_own() {
    let site = Site::new("71").await;
    let mail_server = smtp_peer::Closed::new();
    let url = format!("smtp://{}", mail_server.address());
    let mail_server = mail_server.open_with(Rules::default());
    mail_server.play(&[Play::Recipient("450 4.2.0 later")]);
    let settings = [&[("FCOM_SIDECAR__SMTP__URL", &*url)], &RELAY[..]].concat();
    let (sidecar, collector) = traced(&site, &settings).await;
    sidecar.client.execute(PLAIN_HOOK, &NEW).await;
    let names = ["POST", "welcome mail", "SMTP", "wake WordPress"];
    let spans = collector.wait_for(&names).await;
    let of_name = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let [request, mail, _, wake] = names.map(of_name);
    assert!(failed(mail) && mail.trace_id != request.trace_id);
    assert_eq!(says(mail, "mail.outcome").as_deref(), Some("later"));
    let of_mail = spans.iter().find(|span| is_child(span, mail)).unwrap();
    assert!(of_mail.name == "SMTP" && of_mail.kind() == SpanKind::Client);
    assert!(failed(wake) && wake.kind() == SpanKind::Client);
    assert!(wake.parent_span_id.is_empty());
}

#[tokio::test]
async fn the_collector_learns_who_we_are_and_no_secret() {
    let site = Site::new("71").await;
    let token = "Authorization: Bearer t0ken-of-the-collector";
    let settings = [
        ("FCOM_SIDECAR__OTLP__HEADERS", token),
        ("FCOM_SIDECAR__OTLP__SERVICE_NAME", "the-sidecar"),
        // Variables meant for other programs.
        ("OTEL_SERVICE_NAME", "somebody-else"),
        ("OTEL_TRACES_SAMPLER", "always_off"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-else=1"),
    ];
    let (sidecar, collector) = traced(&site, &[&settings[..], &RELAY[..]].concat()).await;
    sidecar
        .client
        .record(&["t0ken-of-the-collector".to_owned()]);
    sidecar.client.execute(PLAIN_HOOK, &NEW).await;
    // No mail server is there.
    let later = ["SMTP", "wake WordPress"];
    let spans = collector.wait_for(&[&CALL[..], &later].concat()).await;
    let connecting = spans.iter().find(|span| span.name == "SMTP").unwrap();
    assert!(failed(connecting) && connecting.parent_span_id.is_empty());

    for (head, request) in collector.taken() {
        let head = head.to_ascii_lowercase();
        assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
        for header in [
            "content-type: application/x-protobuf",
            &token.to_lowercase(),
        ] {
            assert!(head.contains(&format!("{header}\r\n")), "{head}");
        }
        assert!(!head.contains("x-else"), "{head}");
        let resource = request.resource_spans[0].resource.as_ref().unwrap();
        for (key, value) in [
            ("service.name", "the-sidecar"),
            ("service.version", env!("CARGO_PKG_VERSION")),
        ] {
            let said = attribute(&resource.attributes, key);
            assert_eq!(said.as_deref(), Some(value));
        }
    }
    let text = collector.text().to_lowercase();
    let never = [
        "zaphod",
        "fcom_action",
        "portal",
        "select ",
        "insert ",
        "127.0.0.1",
    ];
    let mut secrets = sidecar.client.secrets();
    secrets.extend(never.map(str::to_owned));
    for secret in secrets {
        assert!(!text.contains(&secret.to_lowercase()), "{secret} in {text}");
    }
    assert!(!sidecar.log().contains("t0ken-of-the-collector"));
}

#[tokio::test]
async fn a_request_joins_the_trace_of_a_trusted_proxy_only() {
    let site = Site::new("71").await;
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let (sidecar, collector) = traced(&site, &[]).await;
    let response = call_in_trace(&sidecar, &[&parent]).await;
    let spans = collector.wait_for(&CALL).await;
    let request = one(&spans, "POST");
    assert_eq!(hex(&request.trace_id), TRACE);
    assert_eq!(hex(&request.parent_span_id), PARENT);
    assert_eq!(request.trace_state, "shop=7");
    for name in CALL {
        assert_eq!(hex(&one(&spans, name).trace_id), TRACE, "{name}");
    }
    assert!(line_about(&sidecar, &response).contains(TRACE));

    let (sidecar, collector) = traced(&site, &[(TRUSTED_PROXIES, "192.0.2.1")]).await;
    let response = call_in_trace(&sidecar, &[&parent]).await;
    let spans = collector.wait_for(&CALL).await;
    let request = one(&spans, "POST");
    assert_ne!(hex(&request.trace_id), TRACE);
    assert!(request.parent_span_id.is_empty() && request.trace_state.is_empty());
    // The log contains the id of the trace that was started here.
    let line = line_about(&sidecar, &response);
    assert!(line.contains(&hex(&request.trace_id)), "{line}");
}

#[tokio::test]
async fn the_log_is_the_same_with_a_collector() {
    let site = Site::new("71").await;
    for format in ["human", "json"] {
        let settings = [
            ("FCOM_SIDECAR__LOG__FORMAT", format),
            ("FCOM_SIDECAR__DATABASE__LOCK_WAIT_TIMEOUT_SECONDS", "1"),
        ];
        let (sidecar, collector) = traced(&site, &settings).await;
        let parent = format!("00-{TRACE}-{PARENT}-01");
        let parents = [&*parent];
        let blocker = site.lock(KNOWN_USER).await;
        let let_go = async {
            sidecar.says("trying the call again").await;
            blocker.rollback().await.unwrap();
        };
        let (response, ()) = tokio::join!(call_in_trace(&sidecar, &parents), let_go);
        let line = line_about(&sidecar, &response);
        assert!(line.contains(TRACE), "{line}");
        collector.wait_for(&CALL).await;
        let log = sidecar.log();
        // Log messages from the call's own task also carry the request.
        let of_task = |line: &&str| line.contains("trying the call again");
        let of_task = log.lines().find(of_task).unwrap();
        for part in ["request.id", "webhook.key", TRACE] {
            assert!(of_task.contains(part), "{part} in {of_task}");
        }
        for phase in [
            "otel.kind",
            "provision{",
            "\"provision\"",
            "\"transaction\"",
        ] {
            assert!(!log.contains(phase), "{phase} in {log}");
        }
    }
}

#[tokio::test]
async fn a_proxy_decides_for_its_traces_and_the_ratio_for_all_others() {
    let site = Site::new("71").await;
    let none = [("FCOM_SIDECAR__OTLP__SAMPLE_RATIO", "0")];
    let (sidecar, collector) = traced(&site, &none).await;
    let response = call_in_trace(&sidecar, &[]).await;
    assert!(line_about(&sidecar, &response).contains("trace.id"));
    call_in_trace(&sidecar, &[&format!("00-{TRACE}-{PARENT}-00")]).await;
    let sampled = TRACE.replace("0af7", "abcd");
    call_in_trace(&sidecar, &[&format!("00-{sampled}-{PARENT}-01")]).await;
    let spans = collector.wait_for(&CALL).await;
    assert_eq!(spans.len(), CALL.len());
    assert!(spans.iter().all(|span| hex(&span.trace_id) == sampled));
}

#[tokio::test]
async fn routes_of_operators_have_names_and_looks_at_health_are_not_told() {
    let site = Site::new("71").await;
    let token = "0123456789abcdefghijklmnopqrstuvwxyz";
    let (mut sidecar, collector) = traced(&site, &[("FCOM_SIDECAR__ADMIN__TOKEN", token)]).await;
    let client = sidecar.client.clone();
    client.record(&[token.to_owned()]);
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str())];
    let response = http::request(client.admin, "GET", "/runs/77?x=y", &headers, b"").await;
    assert_eq!(response.unwrap().status, 404);
    let refused = client
        .call("no-such-key", &[("email", "a@example.com")])
        .await;
    assert_eq!(refused.status, 404);
    let odd = client.request("BREW", "/portal/", &[], b"").await;
    assert_eq!(odd.status, 405);
    assert_eq!(client.admin_status("/metrics").await, 200);
    sidecar.tell_to_stop();
    assert!(sidecar.ends().await.success());

    let spans = collector.spans();
    let run = one(&spans, "GET /runs/{id}");
    assert_eq!(says(run, "http.route").as_deref(), Some("/runs/{id}"));
    assert_eq!(
        says(run, "http.response.status_code").as_deref(),
        Some("404")
    );
    let call = one(&spans, "POST");
    assert_eq!(
        says(call, "call.outcome").as_deref(),
        Some("unknown_webhook")
    );
    assert!(!failed(call), "a caller's mistake is none of the server's");
    let odd = one(&spans, "HTTP");
    assert_eq!(says(odd, "http.request.method").as_deref(), Some("_OTHER"));
    assert!(
        spans
            .iter()
            .all(|span| !span.name.contains("metrics") && !span.name.contains("ready"))
    );
}

#[tokio::test]
async fn another_collector_needs_a_restart_and_that_is_said() {
    let site = Site::new("71").await;
    let (mut sidecar, collector) = traced(&site, &[]).await;
    sidecar.append_configuration("[otlp]\nsample_ratio = 0.5\n");
    sidecar.hang_up();
    sidecar
        .says("only change with a restart: otlp.sample_ratio")
        .await;
    sidecar
        .client
        .execute(PLAIN_HOOK, &[("email", "existing@example.com")])
        .await;
    collector.wait_for(&CALL).await;
}
