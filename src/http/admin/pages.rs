//! Pages of a list. Mirrors the paginator of FluentCommunity's framework, key by key.

use serde::Serialize;
use utoipa::ToSchema;

/// One page of a list, with the way to the others.
#[derive(Serialize, ToSchema)]
pub(super) struct Paginator<T> {
    current_page: u64,
    data: Vec<T>,
    first_page_url: String,
    from: Option<u64>,
    last_page: u64,
    last_page_url: String,
    links: Vec<Link>,
    next_page_url: Option<String>,
    path: String,
    per_page: u64,
    prev_page_url: Option<String>,
    to: Option<u64>,
    total: u64,
}

#[derive(Serialize, ToSchema)]
struct Link {
    url: Option<String>,
    label: String,
    active: bool,
}

impl<T> Paginator<T> {
    /// The page `number`, from 1, of all items. `path` is the list's address.
    pub(super) fn of(all: Vec<T>, number: u64, per_page: u64, path: String) -> Self {
        let total = all.len() as u64;
        let last = total.div_ceil(per_page).max(1);
        let skipped = (number - 1).saturating_mul(per_page);
        let index = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let data: Vec<T> = all
            .into_iter()
            .skip(index(skipped))
            .take(index(per_page))
            .collect();
        let count = data.len() as u64;
        let numbers = (count > 0).then(|| (skipped + 1, skipped + count));
        let url = |page: u64| format!("{path}/?page={page}");
        let before = (number > 1).then(|| url(number - 1));
        let after = (number < last).then(|| url(number + 1));
        let link = |url: Option<String>, label: &str, active| Link {
            url,
            label: label.to_owned(),
            active,
        };
        let mut links = vec![link(before.clone(), "pagination.previous", false)];
        links.extend((1..=last).map(|n| link(Some(url(n)), &n.to_string(), n == number)));
        links.push(link(after.clone(), "pagination.next", false));
        Self {
            current_page: number,
            from: numbers.map(|(first, _)| first),
            to: numbers.map(|(_, last)| last),
            data,
            first_page_url: url(1),
            last_page: last,
            last_page_url: url(last),
            links,
            next_page_url: after,
            per_page,
            prev_page_url: before,
            path,
            total,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_those_of_the_plugins_paginator() {
        let page = |number, per_page| {
            let page = Paginator::of(vec!["a", "b", "c"], number, per_page, "/x".to_owned());
            serde_json::to_string(&page).unwrap()
        };
        assert_eq!(
            page(2, 2),
            r#"{"current_page":2,"data":["c"],"first_page_url":"/x/?page=1","from":3,"last_page":2,"last_page_url":"/x/?page=2","links":[{"url":"/x/?page=1","label":"pagination.previous","active":false},{"url":"/x/?page=1","label":"1","active":false},{"url":"/x/?page=2","label":"2","active":true},{"url":null,"label":"pagination.next","active":false}],"next_page_url":null,"path":"/x","per_page":2,"prev_page_url":"/x/?page=1","to":3,"total":3}"#
        );
        let beyond = page(9, 2);
        assert!(beyond.contains(r#""data":[],"#) && beyond.contains(r#""from":null"#));
        assert!(beyond.contains(r#""prev_page_url":"/x/?page=8","to":null"#));
        assert!(page(u64::MAX, u64::MAX).contains(r#""data":[]"#));
        let empty = Paginator::of(Vec::<u8>::new(), 1, 15, String::new());
        assert_eq!((empty.last_page, empty.total), (1, 0));
    }
}
