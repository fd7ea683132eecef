//! The console inside wp-admin of a real WordPress.

use super::with_axe;
use crate::wordpress::wp_admin;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_frame_in_wp_admin_works_and_is_live() {
    let chrome = with_axe().await;
    wp_admin::work_in(&chrome).await;
    chrome.close().await;
}
