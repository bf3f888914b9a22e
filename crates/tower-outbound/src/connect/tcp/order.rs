//! [`order`]: sorts the addresses of a host (RFC 8305, section 4).

use std::net::SocketAddr;

/// The address family that is tried first; then the families alternate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FirstFamily {
    /// IPv6. Default with a custom resolver.
    Ipv6,
    /// IPv4.
    Ipv4,
    /// The family of the resolver's first address. Default with the system's resolver, which sorts addresses by
    /// reachability (RFC 6724).
    AsResolved,
}

/// Alternates the families, each in the resolver's order. `last` goes last.
pub(super) fn order(
    addresses: Vec<SocketAddr>,
    first: FirstFamily,
    last: Option<SocketAddr>,
) -> Vec<SocketAddr> {
    let ipv6_first = match first {
        FirstFamily::Ipv6 => true,
        FirstFamily::Ipv4 => false,
        FirstFamily::AsResolved => addresses.first().is_some_and(SocketAddr::is_ipv6),
    };
    let mut ordered = Vec::with_capacity(addresses.len());
    let (one, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == ipv6_first);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    while one.len() + other.len() > 0 {
        ordered.extend(one.next());
        ordered.extend(other.next());
    }
    if let Some(at) = last.and_then(|last| ordered.iter().position(|address| *address == last)) {
        ordered[at..].rotate_left(1);
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|address| address.parse().unwrap()).collect()
    }

    const A4: &str = "192.0.2.1:80";
    const B4: &str = "192.0.2.2:80";
    const C4: &str = "192.0.2.3:80";
    const A6: &str = "[2001:db8::1]:80";
    const B6: &str = "[2001:db8::2]:80";

    #[test]
    fn address_order_alternates_families_in_resolver_order() {
        let resolved = addresses(&[A4, B4, C4, A6, B6]);
        let ordered = |first| order(resolved.clone(), first, None);
        assert_eq!(ordered(FirstFamily::Ipv6), addresses(&[A6, A4, B6, B4, C4]));
        assert_eq!(ordered(FirstFamily::Ipv4), addresses(&[A4, A6, B4, B6, C4]));
        assert_eq!(ordered(FirstFamily::AsResolved), addresses(&[A4, A6, B4, B6, C4]));
        assert_eq!(
            order(addresses(&[B6, A4]), FirstFamily::AsResolved, None),
            addresses(&[B6, A4]),
            "IPv6 was resolved first"
        );
    }

    #[test]
    fn address_order_single_family_keeps_resolver_order() {
        for first in [FirstFamily::Ipv6, FirstFamily::Ipv4, FirstFamily::AsResolved] {
            assert_eq!(order(addresses(&[B4, A4, C4]), first, None), addresses(&[B4, A4, C4]));
            assert_eq!(order(Vec::new(), first, None), []);
        }
    }

    #[test]
    fn address_order_puts_given_address_last() {
        let resolved = addresses(&[A6, A4, B4]);
        let last = |last: &str| order(resolved.clone(), FirstFamily::Ipv6, Some(last.parse().unwrap()));
        assert_eq!(last(A6), addresses(&[A4, B4, A6]));
        assert_eq!(last(A4), addresses(&[A6, B4, A4]));
        assert_eq!(last(B4), addresses(&[A6, A4, B4]));
        assert_eq!(last(C4), addresses(&[A6, A4, B4]), "not among the resolved addresses");
    }
}
