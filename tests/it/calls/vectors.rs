//! Replays the recorded cases: what PHP did, request by request, for five releases of WordPress.

use crate::harness::recording::Recording;
use crate::harness::replay::replay_on;
use crate::harness::site::Site;

#[tokio::test]
async fn every_case_of_wordpress_6_1_happens_as_recorded() {
    replay("61").await;
}

#[tokio::test]
async fn every_case_of_wordpress_6_7_happens_as_recorded() {
    replay("67").await;
}

#[tokio::test]
async fn every_case_of_wordpress_6_8_happens_as_recorded() {
    replay("68").await;
}

#[tokio::test]
async fn every_case_of_wordpress_7_0_happens_as_recorded() {
    replay("70").await;
}

#[tokio::test]
async fn every_case_of_wordpress_7_1_happens_as_recorded() {
    replay("71").await;
}

async fn replay(fixture: &str) {
    let site = Site::new(fixture).await;
    replay_on(&site, &Recording::of(fixture), &[]).await;
}
