//! Values that are made of a credential and remembered by it: a bounded number of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ring::digest::{SHA256, digest};

use crate::limits::CREDENTIALS_MAX;

#[derive(Debug)]
pub(super) struct Remembered<V>(Mutex<HashMap<[u8; 32], Arc<V>>>);

impl<V> Default for Remembered<V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// A credential's key: not the credential, which is kept in no more places than it must be.
pub(super) fn key(parts: &[&str]) -> [u8; 32] {
    let mut text = Vec::new();
    for part in parts {
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part.as_bytes());
    }
    let mut key = [0; 32];
    key.copy_from_slice(digest(&SHA256, &text).as_ref());
    key
}

impl<V> Remembered<V> {
    /// The value of a key that is still good, else the one that is made. When there are too many, all are forgotten: they can be
    /// made again.
    pub(super) fn get<E>(
        &self,
        key: [u8; 32],
        is_good: impl FnOnce(&V) -> bool,
        make: impl FnOnce() -> Result<V, E>,
    ) -> Result<Arc<V>, E> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(&key)
            && is_good(known)
        {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(make()?);
        if all.len() >= CREDENTIALS_MAX {
            all.clear();
        }
        all.insert(key, Arc::clone(&made));
        Ok(made)
    }

    /// Forgets a value, if it is still the one that is remembered.
    pub(super) fn forget(&self, key: [u8; 32], value: &Arc<V>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(&key).is_some_and(|known| Arc::ptr_eq(known, value)) {
            all.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn values_are_made_once_and_their_number_is_bounded() {
        let remembered = Remembered::default();
        let get = |name: &str, is_good: bool| {
            let made = remembered.get(key(&[name]), |_| is_good, || Ok::<_, Infallible>(0));
            made.unwrap_or_else(|never| match never {})
        };
        let first = get("a", true);
        assert!(Arc::ptr_eq(&first, &get("a", true)));
        let renewed = get("a", false);
        assert!(!Arc::ptr_eq(&first, &renewed));
        remembered.forget(key(&["a"]), &first);
        assert!(Arc::ptr_eq(&renewed, &get("a", true)));
        remembered.forget(key(&["a"]), &renewed);
        assert!(!Arc::ptr_eq(&renewed, &get("a", true)));
        for name in 0..2 * CREDENTIALS_MAX {
            get(&name.to_string(), true);
            assert!(remembered.0.lock().unwrap().len() <= CREDENTIALS_MAX);
        }
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
    }
}
