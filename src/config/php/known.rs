//! What is known of PHP's own constants, and of functions that are not computed.

use std::rc::Rc;

use super::builtins::is_computed;
use super::value::Value;

/// A constant of PHP that is the same everywhere.
pub(super) fn constant(name: &str) -> Option<Value> {
    Some(match name {
        "PHP_EOL" => Value::Text(Rc::from(*b"\n")),
        "DIRECTORY_SEPARATOR" => Value::Text(Rc::from(*b"/")),
        "PATH_SEPARATOR" => Value::Text(Rc::from(*b":")),
        "MYSQLI_CLIENT_COMPRESS" => Value::Int(32),
        "MYSQLI_CLIENT_IGNORE_SPACE" => Value::Int(256),
        "MYSQLI_CLIENT_INTERACTIVE" => Value::Int(1024),
        "MYSQLI_CLIENT_SSL" => Value::Int(2048),
        "MYSQLI_CLIENT_SSL_DONT_VERIFY_SERVER_CERT" => Value::Int(64),
        "MYSQLI_CLIENT_SSL_VERIFY_SERVER_CERT" => Value::Int(1 << 30),
        "FILTER_VALIDATE_BOOLEAN" | "FILTER_VALIDATE_BOOL" => Value::Int(258),
        "E_ERROR" => Value::Int(1),
        "E_WARNING" | "MYSQLI_CLIENT_FOUND_ROWS" => Value::Int(2),
        "E_NOTICE" => Value::Int(8),
        _ => return None,
    })
}

/// Constants that PHP, or WordPress for some requests, may have defined before the configuration is read.
pub(super) fn is_perhaps_defined(name: &str) -> bool {
    const PREFIXES: [&str; 16] = [
        "PHP_",
        "E_",
        "MYSQLI_",
        "CURL",
        "OPENSSL_",
        "SODIUM_",
        "FILTER_",
        "JSON_",
        "LC_",
        "LOCK_",
        "INPUT_",
        "DATE_",
        "PDO",
        "M_",
        "STD",
        "PATHINFO_",
    ];
    const OF_REQUESTS: [&str; 9] = [
        "DOING_AJAX",
        "DOING_CRON",
        "REST_REQUEST",
        "SHORTINIT",
        "WP_ADMIN",
        "WP_INSTALLING",
        "WP_LOAD_IMPORTERS",
        "WP_USE_THEMES",
        "XMLRPC_REQUEST",
    ];
    OF_REQUESTS.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Functions that define nothing and set no variable but those that they are given by reference.
pub(super) fn is_harmless(name: &str) -> bool {
    const PREFIXES: [&str; 22] = [
        "array_",
        "date",
        "file",
        "hash",
        "header",
        "htmlspecialchars",
        "iconv",
        "ini_",
        "is_",
        "json_",
        "mb_",
        "ob_",
        "preg_",
        "session_",
        "str",
        "openssl_",
        "sodium_",
        "mysqli_",
        "random_",
        "base64_",
        "url",
        "ctype_",
    ];
    const NAMES: [&str; 43] = [
        "chdir",
        "chmod",
        "chr",
        "clearstatcache",
        "crc32",
        "error_log",
        "error_reporting",
        "extension_loaded",
        "gc_enable",
        "getcwd",
        "getenv",
        "gethostbyname",
        "gethostname",
        "getmypid",
        "http_response_code",
        "ignore_user_abort",
        "ip2long",
        "libxml_disable_entity_loader",
        "locale_set_default",
        "max",
        "md5",
        "memory_get_usage",
        "microtime",
        "min",
        "mt_rand",
        "number_format",
        "ord",
        "php_sapi_name",
        "php_uname",
        "phpversion",
        "printf",
        "rand",
        "round",
        "serialize",
        "set_time_limit",
        "setcookie",
        "setlocale",
        "sha1",
        "sleep",
        "time",
        "umask",
        "uniqid",
        "version_compare",
    ];
    const CALL_BACK: [&str; 10] = [
        "_u", "_walk", "callback", "filter", "handler", "map", "ob_start", "reduce", "register",
        "shutdown",
    ];
    if !is_computed(name) && CALL_BACK.iter().any(|part| name.contains(part)) {
        return false;
    }
    is_computed(name)
        || NAMES.contains(&name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}
