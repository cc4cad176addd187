//! The session ids in use, each bound to the principal that said it first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
struct Row {
    owner: String,
    connections: usize,
}

type Table = HashMap<Arc<str>, Row>;

/// All ids in use; cheap to clone. Bounded by the connections, each of which holds one.
#[derive(Debug, Clone, Default)]
pub struct Names(Arc<Mutex<Table>>);

/// An id in use, until dropped.
#[derive(Debug)]
pub struct Name {
    names: Names,
    id: Arc<str>,
}

impl Names {
    /// Takes an id, which several connections of one principal may share; `None` when it belongs
    /// to another.
    pub fn take(&self, id: &Arc<str>, owner: &str) -> Option<Name> {
        let mut table = self.lock();
        let row = table.entry(Arc::clone(id)).or_insert_with(|| Row {
            owner: owner.to_owned(),
            connections: 0,
        });
        if row.owner != owner {
            return None;
        }
        row.connections += 1;
        Some(Name {
            names: self.clone(),
            id: Arc::clone(id),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Name {
    /// The id.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let mut table = self.names.lock();
        if let Some(row) = table.get_mut(&self.id) {
            row.connections -= 1;
            if row.connections == 0 {
                table.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_owners_until_the_last_connection_ends() {
        let names = Names::default();
        let id: Arc<str> = "abc".into();
        let first = names.take(&id, "alice").unwrap();
        let second = names.take(&id, "alice").unwrap();
        assert!(names.take(&id, "bob").is_none());
        drop(first);
        assert!(names.take(&id, "bob").is_none());
        drop(second);
        assert!(names.take(&id, "bob").is_some());
        assert!(names.lock().is_empty());
    }
}
