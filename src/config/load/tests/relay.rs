//! Tests of `[relay]`.

use super::*;

const SECRET: (&str, &str) = ("relay.secret", "sixteen letters!");
const ADDRESS: (&str, &str) = ("relay.url", "https://example.com/");

#[test]
fn the_relay_is_off_until_it_is_asked_for() {
    let config = load(None, &[], &[URL]).unwrap();
    assert!(!config.relay.enabled);
    assert!(config.relay.wake.is_none());
    assert_eq!(config.relay.retention_days, 7);
    assert_eq!(config.relay.give_up_days, 7);
    for enabled in ["true", "false"] {
        let enabled = ("FCOM_SIDECAR__RELAY__ENABLED", enabled);
        let config = load(None, &[enabled], &[URL]).unwrap();
        assert_eq!(config.relay.enabled, enabled.1 == "true");
    }
    let on = load(Some("[relay]\nenabled = true"), &[], &[URL]).unwrap();
    assert!(on.relay.enabled);
}

#[test]
fn the_secret_is_asked_for_long_enough_and_never_shown() {
    let on = ("relay.enabled", "true");
    let config = load(None, &[], &[URL, on, ADDRESS, SECRET]).unwrap();
    assert!(!format!("{config:?}").contains(SECRET.1));
    assert!(config.relay.wake.is_some());
    // wp-admin needs no address.
    let config = load(None, &[], &[URL, SECRET]).unwrap();
    assert!(config.relay.secret.is_some() && config.relay.wake.is_none());

    let missing = problem(&[on, ADDRESS]);
    assert_eq!(missing.key, "relay.secret");
    let short = problem(&[("relay.secret", "hunter2")]);
    assert!(!format!("{short:?}").contains("hunter2"));
    let password = problem(&[("relay.url", "https://u:hunter2@example.com/"), SECRET]);
    assert!(!format!("{password:?}").contains("hunter2"));
    for (key, value) in [
        ("relay.url", "example.com"),
        ("relay.url", "ftp://example.com/"),
        ("relay.enabled", "perhaps"),
        ("relay.give_up_days", "0"),
    ] {
        assert_eq!(problem(&[(key, value)]).key, key);
    }
}
