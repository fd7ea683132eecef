//! The recorded cases: what PHP did, request by request, for five releases of WordPress.

use crate::harness::replay::replay_on;
use crate::harness::site::Site;

#[tokio::test]
async fn every_case_of_wordpress_6_1_happens_as_recorded() {
    replay("61", include_str!("../../data/vectors/wordpress-61.json")).await;
}

#[tokio::test]
async fn every_case_of_wordpress_6_7_happens_as_recorded() {
    replay("67", include_str!("../../data/vectors/wordpress-67.json")).await;
}

#[tokio::test]
async fn every_case_of_wordpress_6_8_happens_as_recorded() {
    replay("68", include_str!("../../data/vectors/wordpress-68.json")).await;
}

#[tokio::test]
async fn every_case_of_wordpress_7_0_happens_as_recorded() {
    replay("70", include_str!("../../data/vectors/wordpress-70.json")).await;
}

#[tokio::test]
async fn every_case_of_wordpress_7_1_happens_as_recorded() {
    replay("71", include_str!("../../data/vectors/wordpress-71.json")).await;
}

async fn replay(fixture: &str, recording: &str) {
    let site = Site::new(fixture).await;
    replay_on(&site, recording, &[]).await;
}
