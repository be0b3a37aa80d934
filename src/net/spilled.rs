//! What push could not queue is made good: each peer gets the difference between what it heard, and will hear of what
//! waits for it, and where the pushing side stands.

use super::link::Link;
use super::net_port::{NetPort, Work};
use crate::midi::state::{ChannelState, Msg, next_repair};
use crate::midi::summary::Given;
use crate::realtime::lost::Lost;
use crate::realtime::shared::Role;
use crate::session::schedule::{CHANNELS, channel_of};
use slab::Slab;

impl NetPort {
    /// Makes good what push could not queue. It is done in one go: a difference is bounded.
    pub(super) fn deliver_refused(
        &mut self,
        lost: &mut Lost,
        links: &mut Slab<Link>,
        dirty: &mut Vec<usize>,
        now: u64,
    ) {
        let mut given = Given::new();
        let mut lists = Vec::new();
        for (client, summary) in lost.summaries() {
            given.clear();
            let list: Vec<Msg> = std::iter::from_fn(|| summary.next(&mut given)).collect();
            lists.push((client, list));
        }
        for (client, list) in &mut lists {
            let last = self.schedule.last_of_channels(*client, lost.latest_ns());
            list.retain(|message| {
                !self.ends_what_is_scheduled(*client, message, links, now)
                    && !self.follows_what_is_scheduled(*client, message, &last, now)
            });
            if *client == 0 {
                self.spilled_to_all(list, links, dirty, |link| !lost.is_named(link.client));
            } else if let Work::Server { by_client, .. } = &self.work
                && let Some(key) = by_client.get(client)
            {
                self.spilled_to(*key, list, links, dirty);
            }
        }
        for later in lost.later() {
            let (client, message) = (later.client, later.message());
            if later.cancelled && self.is_forgotten(client, message, links) {
                self.unschedule(message.len());
                continue;
            }
            let sounding = || self.count_held(client, message, links);
            let time_ns = self.schedule.time_of(later.due_ns, client, message, sounding);
            self.schedule.add(time_ns, client, message);
        }
    }

    /// What was refused, for a peer that is gone.
    pub(super) fn lose_refused(&mut self, lost: &mut Lost) {
        let mut given = Given::new();
        for (_, summary) in lost.summaries() {
            given.clear();
            let list: Vec<Msg> = std::iter::from_fn(|| summary.next(&mut given)).collect();
            self.spilled_to_all(&list, &mut Slab::new(), &mut Vec::new(), |_| false);
        }
        for later in lost.later() {
            self.unschedule(later.message().len());
        }
    }

    /// A Note Off that was refused, of a note that is still to begin: it waits for that, so that the note ends.
    fn ends_what_is_scheduled(&mut self, client: u32, message: &[u8], links: &Slab<Link>, now: u64) -> bool {
        let sounding = || self.count_held(client, message, links);
        let time_ns = self.schedule.time_of(now, client, message, sounding);
        self.waits(time_ns, client, message, now)
    }

    /// A pedal, controller, program or the like that was refused and was meant for a time after others that are
    /// scheduled for its channel: it comes after those, or they would have the last word.
    fn follows_what_is_scheduled(&mut self, client: u32, message: &[u8], last: &[u64; CHANNELS], now: u64) -> bool {
        let time_ns = channel_of(message).map_or(0, |channel| last[channel]);
        self.waits(time_ns, client, message, now)
    }

    /// Schedules a message that was refused, if its time is ahead, and whether it is.
    fn waits(&mut self, time_ns: u64, client: u32, message: &[u8], now: u64) -> bool {
        if time_ns > now {
            self.schedule_more(message.len());
            self.schedule.add(time_ns, client, message);
        }
        time_ns > now
    }

    fn spilled_to_all(
        &mut self,
        list: &[Msg],
        links: &mut Slab<Link>,
        dirty: &mut Vec<usize>,
        concerns: impl Fn(&Link) -> bool,
    ) {
        if let Some(stands) = &mut self.stands {
            list.iter().for_each(|message| stands.apply(message));
        }
        // Counted as dropped when they were refused.
        if self.links.is_empty() && self.shared.role == Role::Client {
            let memory = self.memory.get_or_insert_default();
            let unrepaired = list.iter().map(|message| memory.lose(message)).sum();
            self.shared.counters.unrepaired.add(unrepaired);
        }
        for key in &self.links {
            if concerns(&links[*key]) {
                self.spilled_to(*key, list, links, dirty);
            }
        }
    }

    /// Gives one peer the difference that what was lost makes to it.
    fn spilled_to(&self, key: usize, list: &[Msg], links: &mut Slab<Link>, dirty: &mut Vec<usize>) {
        let link = &mut links[key];
        if !link.takes() {
            return;
        }
        if link.congested || link.sent.is_lossy() {
            let unrepaired = list.iter().map(|message| link.sent.lose(message)).sum();
            self.shared.counters.unrepaired.add(unrepaired);
            return;
        }
        let mut heard = link.sent.ahead(|each| link.out.each_untold(each));
        let mut wanted = Box::<ChannelState>::default();
        wanted.follow(&mut heard);
        let unrepaired = list.iter().map(|message| u64::from(wanted.lose(message))).sum();
        self.shared.counters.unrepaired.add(unrepaired);
        while let Some(message) = next_repair(&mut heard, &mut wanted) {
            self.offer(key, &message, links, dirty);
            self.shared.counters.synthesized.add(1);
        }
    }
}
