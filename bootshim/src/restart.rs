//! How a machine is restarted whose firmware may not do it: some return from their
//! reset, which no firmware may.

/// How a machine is restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// As after switching on.
    Cold,
    /// The processor alone.
    Warm,
    /// A watchdog that nobody pets any more.
    Watchdog,
}

/// All of them, in the order in which they are tried.
pub const METHODS: [Method; 3] = [Method::Cold, Method::Warm, Method::Watchdog];

/// Tries one method after the other. Where this comes back, nothing is left but to wait:
/// the watchdog may yet bite.
pub fn restart(mut go: impl FnMut(Method)) {
    METHODS.into_iter().for_each(&mut go);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn firmware_that_returns_from_a_reset_is_asked_otherwise_and_the_watchdog_comes_last() {
        let mut gone = Vec::new();
        restart(|method| gone.push(method));
        assert_eq!(gone, [Method::Cold, Method::Warm, Method::Watchdog]);
    }
}
