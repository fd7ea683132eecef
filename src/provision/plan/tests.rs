use std::time::Instant;

use chrono::DateTime;

use super::super::call::sample_call;
use super::super::counting::Record;
use super::super::names::NameFields;
use super::*;
use crate::fluentcommunity::memberships::Space;
use crate::fluentcommunity::webhook::Webhook;
use crate::wordpress::catalogue::Catalogue;
use crate::wordpress::options::SiteOptions;
use crate::wordpress::sanitize::Rules;
use crate::wordpress::version::Version;

/// Joins course 5, leaves space 2.
fn facts() -> Facts {
    Facts {
        webhook: Webhook {
            id: 3,
            title: Vec::new(),
            course_ids: vec![5],
            space_ids: Vec::new(),
            remove_course_ids: Vec::new(),
            remove_space_ids: vec![2],
            welcome_email: true,
        },
        record: Record {
            value: Vec::new(),
            asked_at: Instant::now(),
        },
        course_module: true,
        options: SiteOptions::default(),
        blog: None,
        user: None,
        earlier: None,
        earlier_signed: None,
    }
}

fn conditions(facts: &Facts, welcome_mail: WelcomeMail, has_relay: bool) -> Conditions<'_> {
    Conditions {
        facts,
        welcome_mail,
        has_relay,
        now: DateTime::UNIX_EPOCH,
    }
}

fn structured_course() -> Space {
    Space {
        id: 5,
        is_course: true,
        settings: Some(br#"a:1:{s:11:"course_type";s:10:"structured";}"#.to_vec()),
        memberships: Vec::new(),
    }
}

fn known(usermeta: MetaRows) -> Member<'static> {
    Member {
        user_id: 7,
        created: None,
        usermeta,
        profile: None,
        spaces: vec![structured_course()],
    }
}

fn new(fields: NameFields<'_>, receives_mail: bool) -> Member<'_> {
    let names = fields.if_all_were_free().unwrap();
    Member {
        created: Some(CreatedUser {
            email: fields.stored_email(),
            display_name: fields.display_name(&names.login),
            fields,
            names,
            receives_mail,
        }),
        ..known(MetaRows::default())
    }
}

#[test]
fn the_welcome_mail_goes_the_way_that_operator_webhook_and_address_leave() {
    let call = sample_call(b"ann@example.com");
    let rules = Rules {
        locale: "en_US",
        version: Version::NEWEST,
        multisite: false,
    };
    let email = call.email.as_ref().unwrap();
    let fields = || NameFields::of(&call, email, &Catalogue::default(), rules);
    let plan = |facts: &Facts, way, has_relay, receives_mail| {
        let member = new(fields(), receives_mail);
        let plan = Plan::decide(&conditions(facts, way, has_relay), member);
        (plan.welcome_mail, plan.jobs.len(), plan.sends_mail())
    };
    let (wanted, mut unwanted) = (facts(), facts());
    unwanted.webhook.welcome_email = false;
    for (facts, way, has_relay, receives_mail, expected) in [
        (&wanted, WelcomeMail::Outbox, false, true, MailPlan::Outbox),
        (&wanted, WelcomeMail::Outbox, true, true, MailPlan::Outbox),
        (
            &wanted,
            WelcomeMail::WordPress,
            false,
            true,
            MailPlan::ScheduledAction,
        ),
        (&wanted, WelcomeMail::WordPress, true, true, MailPlan::Event),
        (
            &wanted,
            WelcomeMail::WordPress,
            true,
            false,
            MailPlan::None(NoMail::Undeliverable),
        ),
        (
            &wanted,
            WelcomeMail::Off,
            true,
            true,
            MailPlan::None(NoMail::Off),
        ),
        (
            &unwanted,
            WelcomeMail::Outbox,
            false,
            true,
            MailPlan::None(NoMail::NotWanted),
        ),
    ] {
        let jobs = usize::from(expected == MailPlan::ScheduledAction);
        let sends = !matches!(expected, MailPlan::None(_));
        let decided = plan(facts, way, has_relay, receives_mail);
        assert_eq!(decided, (expected, jobs, sends));
    }
    let known = known(MetaRows::default());
    let known = Plan::decide(&conditions(&wanted, WelcomeMail::Outbox, true), known);
    assert_eq!(known.welcome_mail, MailPlan::None(NoMail::KnownUser));
}

#[test]
fn hooks_are_for_the_relay_and_course_e_mails_for_the_daemon_without_it() {
    let facts = facts();
    let call = sample_call(b"ann@example.com");
    let rules = Rules {
        locale: "en_US",
        version: Version::NEWEST,
        multisite: false,
    };
    let email = call.email.as_ref().unwrap();
    let member = || {
        let fields = NameFields::of(&call, email, &Catalogue::default(), rules);
        new(fields, true)
    };
    let way = WelcomeMail::WordPress;
    let with_relay = Plan::decide(&conditions(&facts, way, true), member());
    let enrolled = Event::Joined {
        space_id: 5,
        is_course: true,
        is_student: true,
        reactivated: None,
    };
    assert_eq!(
        with_relay.events,
        [
            Event::RoleAdded("subscriber"),
            Event::RoleSet("subscriber"),
            Event::Registered("subscriber"),
            Event::WelcomeMail,
            enrolled,
        ]
    );
    assert!(with_relay.structured_courses.is_empty() && with_relay.jobs.is_empty());
    let without = Plan::decide(&conditions(&facts, way, false), member());
    assert!(without.events.is_empty());
    assert_eq!(without.structured_courses, [5]);
}

#[test]
fn a_networks_user_joins_the_site_by_his_meta_alone() {
    let facts = facts();
    let conditions = conditions(&facts, WelcomeMail::Outbox, true);
    let joining = MetaRows {
        update: Vec::new(),
        insert: vec![("wp_2_capabilities".to_owned(), String::new())],
    };
    let plan = Plan::decide(&conditions, known(joining));
    assert!(plan.joins_site() && !plan.executed().created);
    assert_eq!(plan.events[2], Event::AddedToSite("subscriber"));
    let plan = Plan::decide(&conditions, known(MetaRows::default()));
    assert!(!plan.joins_site());
    assert_eq!(plan.events.len(), 1);
}
