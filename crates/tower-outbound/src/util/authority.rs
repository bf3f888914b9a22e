/// The parts of an authority that was checked already (RFC 3986, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Authority<'a> {
    pub(crate) user_info: Option<&'a str>,
    /// With the brackets of an IPv6 literal.
    pub(crate) host: &'a str,
    /// What follows the host's colon: a port, or nothing, or what the `http` crate takes for one.
    pub(crate) port: Option<&'a str>,
}

impl<'a> Authority<'a> {
    /// Every request comes here several times.
    pub(crate) fn split(authority: &'a str) -> Self {
        let (user_info, host_port) = match has_user_info(authority) {
            true => authority.rsplit_once('@').map_or((None, authority), |(user, rest)| (Some(user), rest)),
            false => (None, authority),
        };
        let bytes = host_port.as_bytes();
        let mut end = bytes.len();
        // A port is short, so its colon is near the end.
        while let Some((byte, _)) = bytes[..end].split_last() {
            end -= 1;
            match byte {
                b':' => {
                    let (host, port) = (&host_port[..end], Some(&host_port[end + 1..]));
                    return Self { user_info, host, port };
                }
                b']' => break,
                _ => {}
            }
        }
        Self { user_info, host: host_port, port: None }
    }
}

/// Cheaper than [`Authority::split`].
pub(crate) fn has_user_info(authority: &str) -> bool {
    // Without the set-up of a search: most are short.
    authority.as_bytes().iter().fold(false, |found, byte| found | (*byte == b'@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authority_is_split_at_last_at_and_colon() {
        let split = |authority| {
            let Authority { user_info, host, port } = Authority::split(authority);
            (user_info, host, port)
        };
        assert_eq!(split("a.test"), (None, "a.test", None));
        assert_eq!(split("a.test:80"), (None, "a.test", Some("80")));
        assert_eq!(split("a.test:"), (None, "a.test", Some("")));
        assert_eq!(split("[::1]"), (None, "[::1]", None));
        assert_eq!(split("[::1]:80"), (None, "[::1]", Some("80")));
        assert_eq!(split("u:p@q@[::1]:80"), (Some("u:p@q"), "[::1]", Some("80")));
        assert_eq!(split("u:p@a"), (Some("u:p"), "a", None));
        assert_eq!(split("@"), (Some(""), "", None));
        assert_eq!(split(""), (None, "", None));
    }
}
