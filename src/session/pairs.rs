//! Which Note Off ends which Note On, of one note of a schedule.
//!
//! As many Note Offs as Note Ons were pushed, and at each receiver each has its own. A Note Off is paired when it is
//! pushed: with the latest Note On that is due no later than itself and has no Note Off yet; else with a note that
//! sounds; else with the first Note On that is due later, and then it waits for that one.
//!
//! A Note On for all may be ended for each client by name. So each client that was named has a view of its own, and all
//! others share one.

use std::collections::{BTreeSet, HashMap};

/// When a Note On is due, and its number: its place in the order of sending.
type Place = (u64, u64);

/// How many waiting Note Offs of a note end it at a client.
pub(super) type OffsFor<'a> = &'a dyn Fn(u32) -> usize;

/// The receivers that were not named.
const OTHERS: u32 = 0;

/// The waiting messages of one note for a receiver.
#[derive(Clone, Debug, Default)]
struct View {
    /// Note Ons without a Note Off.
    open: BTreeSet<Place>,
    /// Note Offs whose Note On has left, or that have none.
    offs: usize,
}

impl View {
    fn is_empty(&self) -> bool {
        self.open.is_empty() && self.offs == 0
    }

    /// The Note On that a Note Off for `time_ns` ends; None: one that sounds, or none.
    fn partner(&self, time_ns: u64, unended: impl FnOnce() -> bool) -> Option<Place> {
        let before = self.open.range(..=(time_ns, u64::MAX)).next_back();
        before.copied().or_else(|| {
            let after = self.open.range((time_ns, u64::MAX)..).next()?;
            (!unended()).then_some(*after)
        })
    }
}

/// The views in which a note sounds that no Note Off ends. They are found when first needed.
struct Lazy<F> {
    unended: Option<F>,
    views: BTreeSet<u32>,
}

impl<F: FnOnce(OffsFor) -> Vec<u32>> Lazy<F> {
    fn new(unended: F) -> Self {
        Self {
            unended: Some(unended),
            views: BTreeSet::new(),
        }
    }

    fn has(&mut self, pairs: &Pairs, view: u32) -> bool {
        if let Some(unended) = self.unended.take() {
            let clients = unended(&|client| pairs.offs_for(client));
            self.views = clients.into_iter().map(|client| pairs.view_of(client)).collect();
        }
        self.views.contains(&view)
    }
}

/// The waiting messages of one note.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    others: View,
    /// Of clients that were named.
    named: HashMap<u32, View>,
    /// Note Ons with a Note Off, by number: the views in which they have one.
    paired: HashMap<u64, Vec<u32>>,
}

impl Pairs {
    pub(super) fn is_empty(&self) -> bool {
        self.paired.is_empty() && self.others.is_empty() && self.named.values().all(View::is_empty)
    }

    /// Whether a client has a view of its own.
    fn tells_apart(&self, client: u32) -> bool {
        self.named.contains_key(&client)
    }

    /// The client, if it has a view of its own; else all others.
    fn view_of(&self, client: u32) -> u32 {
        if self.tells_apart(client) { client } else { OTHERS }
    }

    fn view(&self, name: u32) -> &View {
        self.named.get(&name).unwrap_or(&self.others)
    }

    fn view_mut(&mut self, name: u32) -> Option<&mut View> {
        if name == OTHERS {
            return Some(&mut self.others);
        }
        self.named.get_mut(&name)
    }

    /// Gives a client a view of its own from now on.
    fn tell_apart(&mut self, client: u32) {
        if self.tells_apart(client) {
            return;
        }
        self.named.insert(client, self.others.clone());
        for views in self.paired.values_mut().filter(|views| views.contains(&OTHERS)) {
            views.push(client);
        }
    }

    /// The views that a message concerns.
    fn views_for(&mut self, client: u32, except: &[u32]) -> Vec<u32> {
        if client != 0 {
            self.tell_apart(client);
            return vec![client];
        }
        except.iter().for_each(|client| self.tell_apart(*client));
        let named = self.named.keys().filter(|client| !except.contains(client));
        std::iter::once(OTHERS).chain(named.copied()).collect()
    }

    fn partner(&self, view: u32, time_ns: u64, lazy: &mut Lazy<impl FnOnce(OffsFor) -> Vec<u32>>) -> Option<Place> {
        self.view(view).partner(time_ns, || lazy.has(self, view))
    }

    /// When a Note Off for `time_ns` may leave, and for which of its `receivers` at another time. `unended`: the
    /// receivers at which the note sounds more often than Note Offs wait for them. Both are called only if needed.
    pub(super) fn times_of(
        &self,
        time_ns: u64,
        client: u32,
        receivers: impl FnOnce() -> Vec<u32>,
        unended: impl FnOnce(OffsFor) -> Vec<u32>,
    ) -> (u64, Vec<(u32, u64)>) {
        let mut lazy = Lazy::new(unended);
        let mut time_in = |view| {
            let partner = self.partner(view, time_ns, &mut lazy);
            partner.map_or(time_ns, |(at, _)| at.max(time_ns))
        };
        if client != 0 || self.named.is_empty() {
            return (time_in(self.view_of(client)), Vec::new());
        }
        let (named, others): (Vec<u32>, Vec<u32>) =
            receivers().into_iter().partition(|client| self.tells_apart(*client));
        let mut apart: Vec<(u32, u64)> = named.into_iter().map(|client| (client, time_in(client))).collect();
        let soonest = apart.iter().map(|(_, at)| *at).min();
        let at = match soonest {
            Some(soonest) if others.is_empty() => soonest,
            _ => time_in(OTHERS),
        };
        apart.retain(|(_, other)| *other != at);
        (at, apart)
    }

    pub(super) fn add_on(&mut self, place: Place, client: u32, except: &[u32]) {
        for view in self.views_for(client, except) {
            if let Some(view) = self.view_mut(view) {
                view.open.insert(place);
            }
        }
    }

    /// A Note Off that is meant for `time_ns` will leave at `at`.
    pub(super) fn add_off(
        &mut self,
        time_ns: u64,
        at: u64,
        client: u32,
        except: &[u32],
        unended: impl FnOnce(OffsFor) -> Vec<u32>,
    ) {
        let mut lazy = Lazy::new(unended);
        for name in self.views_for(client, except) {
            let partner = self.partner(name, time_ns, &mut lazy).filter(|place| place.0 <= at);
            let Some(view) = self.view_mut(name) else { continue };
            match partner {
                Some(place) => {
                    view.open.remove(&place);
                    self.paired.entry(place.1).or_default().push(name);
                }
                None => view.offs += 1,
            }
        }
    }

    pub(super) fn on_leaves(&mut self, place: Place) {
        self.others.open.remove(&place);
        for view in self.named.values_mut() {
            view.open.remove(&place);
        }
        // From now on its Note Offs, which leave later, end a sounding note.
        for name in self.paired.remove(&place.1).unwrap_or_default() {
            if let Some(view) = self.view_mut(name) {
                view.offs += 1;
            }
        }
    }

    pub(super) fn off_leaves(&mut self, client: u32, except: &[u32]) {
        let leaves = |view: &mut View| view.offs = view.offs.saturating_sub(1);
        if client != 0 {
            return self.named.get_mut(&client).into_iter().for_each(leaves);
        }
        leaves(&mut self.others);
        let named = self.named.iter_mut().filter(|(client, _)| !except.contains(client));
        named.for_each(|(_, view)| leaves(view));
    }

    /// How many waiting Note Offs end a note that sounds at a client.
    pub(super) fn offs_for(&self, client: u32) -> usize {
        self.view(client).offs
    }

    /// A client has left.
    pub(super) fn forget_client(&mut self, client: u32) {
        if self.named.remove(&client).is_some() {
            self.paired.retain(|_, views| {
                views.retain(|view| *view != client);
                !views.is_empty()
            });
        }
    }
}
