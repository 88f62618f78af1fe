//! The connections that are open: [`Registry`].

use netwheel::net::TcpStream;
use slab::Slab;
use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Default)]
pub(crate) struct Registry {
    clients: Mutex<Slab<Arc<TcpStream>>>,
    empty: Condvar,
}

/// A client that is in the registry until this is dropped.
pub(crate) struct Open {
    client: Arc<TcpStream>,
    registry: Arc<Registry>,
    key: usize,
}

impl Registry {
    pub(crate) fn enter(self: &Arc<Self>, client: TcpStream) -> Open {
        let client = Arc::new(client);
        let key = self.clients().insert(Arc::clone(&client));
        Open { client, registry: Arc::clone(self), key }
    }

    pub(crate) fn len(&self) -> usize {
        self.clients().len()
    }

    /// Closes all clients under the tasks that serve them, which notice at once.
    pub(crate) fn close_all(&self) {
        for (_, client) in &*self.clients() {
            // Fails if it is closed already.
            let _ = client.close();
        }
    }

    /// Returns whether it came to that within `time`.
    pub(crate) fn wait_until_empty(&self, time: Duration) -> bool {
        let clients = self.clients();
        let (clients, _) = self
            .empty
            .wait_timeout_while(clients, time, |clients| !clients.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        clients.is_empty()
    }

    fn clients(&self) -> MutexGuard<'_, Slab<Arc<TcpStream>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Open {
    type Target = TcpStream;

    fn deref(&self) -> &TcpStream {
        &self.client
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut clients = self.registry.clients();
        clients.remove(self.key);
        if clients.is_empty() {
            self.registry.empty.notify_all();
        }
    }
}
