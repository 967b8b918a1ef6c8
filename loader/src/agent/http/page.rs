//! The page: one document that asks for nothing but `/api/v1/state`.

use super::answer::{Answer, answer};
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use std::sync::LazyLock;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

static PAGE: LazyLock<String> = LazyLock::new(|| {
    include_str!("page.html")
        .replace("{{style}}", STYLE)
        .replace("{{script}}", SCRIPT)
});

/// The browser runs what has these hashes, and nothing that was smuggled in.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT),
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

pub(super) fn page() -> Answer {
    let body = Bytes::from_static(PAGE.as_bytes());
    let mut page = answer(StatusCode::OK, "text/html; charset=utf-8", body);
    let headers = page.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    page
}

/// How a Content-Security-Policy names a text: by its SHA-256. The one of TLS is
/// there anyway.
fn hash(text: &str) -> String {
    let suite = TLS13_AES_128_GCM_SHA256.tls13();
    let digest = suite.map(|suite| suite.common.hash_provider.hash(text.as_bytes()));
    let bytes = digest.as_ref().map_or(&[][..], |digest| digest.as_ref());
    format!("sha256-{}", base64(bytes))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let [a, b, c] = [0, 1, 2].map(|at| usize::from(chunk.get(at).copied().unwrap_or(0)));
        let sextets = [
            a >> 2,
            (a << 4 | b >> 4) & 63,
            (b << 2 | c >> 6) & 63,
            c & 63,
        ];
        for (at, sextet) in sextets.into_iter().enumerate() {
            let is_there = at <= chunk.len();
            text.push(if is_there { DIGITS[sextet].into() } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 4648, section 10.
    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    /// `printf abc | openssl dgst -sha256 -binary | base64`
    #[test]
    fn a_hash_is_that_of_sha_256() {
        let expected = "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
        assert_eq!(hash("abc"), expected);
    }

    #[test]
    fn the_page_is_small_and_whole() {
        assert!(PAGE.len() < 40_000, "{} bytes", PAGE.len());
        assert!(!PAGE.contains("{{"), "a part is missing");
        assert!(POLICY.to_str().is_ok_and(|p| p.contains("sha256-")));
    }
}
