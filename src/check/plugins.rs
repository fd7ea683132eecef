//! Warns about plugins that miss new users and memberships because writing rows fires no hook. Network-wide plugins are
//! out of scope, since networks are.

use std::collections::BTreeSet;

use super::community::Community;
use super::options::{Options, array, skipped};
use super::report::Finding;
use crate::wordpress::php::{Array, Key, Value, loose};

pub(super) const PRO: &str = "fluentcommunity-pro";
pub(super) const PLUGINS: &str = "plugins";
pub(super) const CRM_TAGS: &str = "crm-tags";

const FLUENTCRM: &str = "fluent-crm";

/// Plugin folders, and what each plugin would have done when a user registers or joins a space.
const LISTENERS: &[(&str, &str)] = &[
    (
        "active-campaign-subscription-forms",
        "ActiveCampaign: syncs users",
    ),
    ("automatewoo", "AutomateWoo: starts workflows"),
    ("badgeos", "BadgeOS: awards points"),
    (
        "buddyboss-platform",
        "BuddyBoss: makes member data and profile fields",
    ),
    (
        "buddypress",
        "BuddyPress: makes member data and profile fields",
    ),
    (
        "fluent-crm",
        "FluentCRM: syncs contacts, starts automations",
    ),
    ("gamipress", "GamiPress: awards points"),
    ("groundhogg", "Groundhogg: makes contacts"),
    ("klaviyo", "Klaviyo: syncs users"),
    ("leadin", "HubSpot: makes contacts"),
    ("learnpress", "LearnPress: makes student data"),
    ("lifterlms", "LifterLMS: enrols automatically"),
    ("mailchimp-for-woocommerce", "Mailchimp: syncs customers"),
    ("mailchimp-for-wp", "Mailchimp: subscribes new users"),
    ("mailerlite-official", "MailerLite: subscribes new users"),
    ("mailpoet", "MailPoet: subscribes new users"),
    ("memberpress", "MemberPress: makes member data"),
    ("mycred", "myCred: awards points"),
    ("newsletter", "Newsletter: subscribes new users"),
    (
        "paid-memberships-pro",
        "Paid Memberships Pro: assigns levels",
    ),
    (
        "restrict-content-pro",
        "Restrict Content Pro: assigns memberships",
    ),
    ("s2member", "s2Member: sets access"),
    ("sensei-lms", "Sensei LMS: makes student data"),
    ("sfwd-lms", "LearnDash: enrols automatically"),
    ("simple-membership", "Simple Membership: makes members"),
    ("suremembers", "SureMembers: grants access groups"),
    ("suretriggers", "OttoKit (SureTriggers): starts automations"),
    ("tutor", "Tutor LMS: makes student data"),
    ("ultimate-member", "Ultimate Member: sets status and role"),
    ("uncanny-automator", "Uncanny Automator: starts recipes"),
    ("wishlist-member", "WishList Member: assigns levels"),
    ("woocommerce", "WooCommerce: makes customer look-up data"),
    (
        "woocommerce-memberships",
        "WooCommerce Memberships: grants plans",
    ),
    ("wp-fusion", "WP Fusion: syncs contacts and tags"),
    ("wp-fusion-lite", "WP Fusion: syncs contacts"),
    ("wp-webhooks", "WP Webhooks: sends webhooks"),
];

/// With `relay` on, these plugins get every hook.
pub(super) fn check(
    options: Option<&Options>,
    community: Option<&Community>,
    relay: bool,
) -> Vec<Finding> {
    let Some(options) = options else {
        return [PRO, PLUGINS, CRM_TAGS].map(skipped).into();
    };
    if relay {
        let heard = |name| Finding::ok(name, "the relay fires their hooks");
        return vec![pro(options), heard(PLUGINS), heard(CRM_TAGS)];
    }
    let features = community.and_then(|community| community.features.as_deref());
    vec![
        pro(options),
        listeners(options),
        crm_tags(options, features),
    ]
}

fn pro(options: &Options) -> Finding {
    if options.is_active("fluent-community-pro.php") {
        return Finding::ok(PRO, "active");
    }
    Finding::warning(
        PRO,
        "not active: webhooks that are there are served, but nobody can manage them in wp-admin",
        "activate FluentCommunity Pro, to which webhooks belong",
    )
}

fn listeners(options: &Options) -> Finding {
    let active = options.active_plugins();
    let folders: BTreeSet<&str> = active
        .iter()
        .filter_map(|plugin| plugin.split('/').next())
        .collect();
    let found: Vec<&str> = LISTENERS
        .iter()
        .filter(|(folder, _)| folders.contains(folder))
        .map(|(_, what)| *what)
        .collect();
    if found.is_empty() {
        return Finding::ok(PLUGINS, "none is known to listen for new users or members");
    }
    Finding::warning(
        PLUGINS,
        format!(
            "these may act on new users or members, and do not hear of those whom the sidecar makes: {}",
            found.join("; ")
        ),
        "turn the relay on ([relay] in the configuration), or let them catch up by their own means",
    )
}

/// FluentCommunity Pro tags contacts of `FluentCRM` when they join or leave; the mapped spaces are identified by their
/// ids.
fn crm_tags(options: &Options, features: Option<&[u8]>) -> Finding {
    let features = features.and_then(array).unwrap_or_default();
    if features.get("has_crm_sync").and_then(Value::as_bytes) != Some(b"yes") {
        return Finding::ok(CRM_TAGS, "off");
    }
    let tagging = options.array("_fcom_crm_tagging").unwrap_or_default();
    let mapped = ["tagging_maps", "linked_maps"]
        .into_iter()
        .filter_map(|map| tagging.get(map)?.as_array())
        .flat_map(Array::iter)
        .filter(|(_, tag)| loose::is_true(tag))
        .map(|(space, _)| space);
    let spaces: BTreeSet<Vec<u8>> = mapped.map(Key::to_bytes).collect();
    let spaces: Vec<_> = spaces
        .iter()
        .map(|id| String::from_utf8_lossy(id))
        .collect();
    let crm = format!("{FLUENTCRM}.php");
    if spaces.is_empty() || !options.is_active(&crm) {
        return Finding::ok(CRM_TAGS, "on, but there is no tag to apply");
    }
    Finding::warning(
        CRM_TAGS,
        format!(
            "FluentCRM's tags are neither applied nor removed when calls change memberships of the spaces {}",
            spaces.join(", ")
        ),
        "turn the relay on ([relay] in the configuration), or leave webhooks that name these spaces to WordPress",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(plugins: &str, tagging: &str) -> Options {
        let rows = [("active_plugins", plugins), ("_fcom_crm_tagging", tagging)];
        let rows = rows.map(|(name, value)| (name.into(), value.into()));
        Options::from_rows("wp_", rows.into())
    }

    const CRM: &str = r#"a:2:{i:0;s:25:"fluent-crm/fluent-crm.php";i:3;s:9:"hello.php";}"#;

    #[test]
    fn listening_plugins_are_named() {
        let finding = format!("{:?}", listeners(&options(CRM, "")));
        assert!(finding.contains("FluentCRM"), "{finding}");
        for plugins in ["", "a:0:{}", r#"a:1:{i:0;s:9:"hello.php";}"#] {
            let finding = format!("{:?}", listeners(&options(plugins, "")));
            assert!(finding.contains("Ok"), "{finding}");
        }
    }

    #[test]
    fn mapped_spaces_are_named_when_tags_would_be_applied() {
        let on = br#"a:1:{s:12:"has_crm_sync";s:3:"yes";}"#;
        let maps = r#"a:2:{s:12:"tagging_maps";a:2:{i:4;s:1:"7";i:5;s:0:"";}s:11:"linked_maps";a:1:{i:12;i:3;}}"#;
        for (plugins, maps, features, said) in [
            (CRM, maps, Some(&on[..]), "spaces 12, 4"),
            (CRM, "", Some(on), "no tag to apply"),
            ("", maps, Some(on), "no tag to apply"),
            (CRM, maps, None, "off"),
        ] {
            let finding = format!("{:?}", crm_tags(&options(plugins, maps), features));
            assert!(finding.contains(said), "{finding}");
        }
    }

    #[test]
    fn every_listener_is_listed_once_and_in_order() {
        assert!(LISTENERS.is_sorted_by(|one, next| one.0 < next.0));
    }
}
