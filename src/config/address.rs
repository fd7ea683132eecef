//! Addresses of the site that operators set outright.

use url::Url;

use super::problem::Flaw;

/// An `http` or `https` address of a folder, without its last slash.
pub(super) fn of_folder(text: &str) -> Result<String, Flaw> {
    let url = parse(text)?;
    if url.query().is_some() {
        return Err(Flaw::new(
            "has a query",
            "write the address only, e.g. \"https://www.example.org\"",
        ));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// An `http` or `https` address of a page, which may have a query.
pub(super) fn of_page(text: &str) -> Result<String, Flaw> {
    parse(text).map(|_| text.to_owned())
}

fn parse(text: &str) -> Result<Url, Flaw> {
    let remedy = "write it in full, e.g. \"https://www.example.org\"";
    let url = Url::parse(text)
        .map_err(|error| Flaw::new(format!("is not an address ({error})"), remedy))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(Flaw::new("is not an address of a web site", remedy));
    }
    if url.fragment().is_some() || !url.username().is_empty() || text.contains(char::is_whitespace)
    {
        return Err(Flaw::new(
            "has parts that no link of a mail can have",
            remedy,
        ));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_http_and_complete() {
        for (text, address) in [
            ("https://www.example.org/", "https://www.example.org"),
            ("http://example.org/wp", "http://example.org/wp"),
        ] {
            assert_eq!(of_folder(text).as_deref(), Ok(address));
        }
        for text in [
            "",
            "www.example.org",
            "ftp://example.org",
            "https://",
            "https://example.org/?a=1",
            "https://example.org/#a",
            "https://ann@example.org/",
            "https://example.org/a b",
        ] {
            assert!(of_folder(text).is_err(), "{text}");
        }
        assert_eq!(
            of_page("https://example.org/?door").as_deref(),
            Ok("https://example.org/?door")
        );
    }
}
