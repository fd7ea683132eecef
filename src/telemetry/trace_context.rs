//! Parses the trace context that a trusted proxy passes with a request: W3C's `traceparent` and `tracestate`, level 2.

/// A position in a trace that began elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace; not 0.
    pub trace_id: u128,
    /// The parent span of the request; not 0.
    pub parent_id: u64,
    /// Whether the trace is sampled.
    pub is_sampled: bool,
    /// Vendor-specific data of tracing systems.
    pub state: String,
}

/// The standard allows longer values to be cut.
const LONGEST_STATE: usize = 512;
/// `version-trace_id-parent_id-flags`.
const LENGTH: usize = 55;

impl TraceContext {
    /// Parses a well-formed `traceparent`, with all lines of `tracestate`. Of future versions it reads the part they
    /// share with the first.
    pub fn parse(parent: &[u8], state: &[&[u8]]) -> Option<Self> {
        let (fields, more) = parent.split_at_checked(LENGTH)?;
        let fields = std::str::from_utf8(fields).ok()?;
        let mut fields = fields.split('-');
        let version = hex(fields.next()?, 2)?;
        let is_whole = match version {
            0 => more.is_empty(),
            0xff => false,
            _ => more.first().is_none_or(|&byte| byte == b'-'),
        };
        let trace_id = hex(fields.next()?, 32).filter(|&id| is_whole && id != 0)?;
        let parent_id = hex(fields.next()?, 16).filter(|&id| id != 0)?;
        let flags = hex(fields.next()?, 2)?;
        let state = state.join(&b","[..]);
        let state = String::from_utf8(state).ok();
        let state = state.filter(|state| state.len() <= LONGEST_STATE && state.is_ascii());
        fields.next().is_none().then_some(Self {
            trace_id,
            parent_id: parent_id.try_into().ok()?,
            is_sampled: flags & 1 == 1,
            state: state.unwrap_or_default(),
        })
    }
}

/// Exactly this many digits, in the one allowed case.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_number = text.len() == digits && text.bytes().all(is_digit);
    is_number.then(|| u128::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn parse(parent: &str) -> Option<TraceContext> {
        TraceContext::parse(parent.as_bytes(), &[])
    }

    #[test]
    fn the_example_of_the_standard_is_read() {
        let state: [&[u8]; 2] = [b"congo=t61rcWkgMzE", b"rojo=00f067aa0ba902b7"];
        let expected = TraceContext {
            trace_id: 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c,
            parent_id: 0xb7ad_6b71_6920_3331,
            is_sampled: true,
            state: "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7".to_owned(),
        };
        assert_eq!(
            TraceContext::parse(PARENT.as_bytes(), &state),
            Some(expected)
        );
        let not_sampled = PARENT.replace("-01", "-02");
        assert!(!parse(&not_sampled).unwrap().is_sampled);
        for later in [
            PARENT.replace("00-0", "cc-0"),
            PARENT.replace("00-0", "cc-0") + "-what",
        ] {
            assert!(parse(&later).is_some(), "{later}");
        }
    }

    #[test]
    fn anything_else_is_no_trace() {
        let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        for parent in [
            String::new(),
            PARENT.to_uppercase(),
            format!("{PARENT}-what"),
            format!(" {PARENT}"),
            format!("ff-{trace}-{span}-01"),
            format!("cc-{trace}-{span}-01.what"),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{trace}{span}--01-"),
            format!("00-{trace}-{span}-0g"),
            format!("00-{}ä-{span}-01", &trace[2..]),
        ] {
            assert_eq!(parse(&parent), None, "{parent}");
        }
    }

    #[test]
    fn a_state_that_cannot_be_passed_on_is_left_out() {
        let long = [b'a'; 513];
        for state in [&long[..], "a=ä".as_bytes(), b"a=\xff"] {
            let context = TraceContext::parse(PARENT.as_bytes(), &[state]).unwrap();
            assert_eq!(context.state, "");
        }
    }
}
