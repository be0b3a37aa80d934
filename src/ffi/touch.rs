//! Every realtime function of the API, so that the library's own pages can be touched before the first port exists. A test
//! compares the list with the header.

use super::{block, message, result, state, version};

/// Touches the library's own pages, once in the life of the process.
pub(super) fn own_pages() {
    let functions = [
        block::midisock_begin_block as *const () as usize,
        block::midisock_pop_block as *const () as usize,
        block::midisock_push_frame as *const () as usize,
        message::push_bytes as *const () as usize,
        message::midisock_push as *const () as usize,
        message::midisock_push_message as *const () as usize,
        message::midisock_cancel as *const () as usize,
        message::midisock_pop as *const () as usize,
        message::midisock_skip as *const () as usize,
        message::midisock_panic as *const () as usize,
        message::midisock_reset as *const () as usize,
        state::midisock_state as *const () as usize,
        state::midisock_client_count as *const () as usize,
        state::midisock_local_port as *const () as usize,
        state::midisock_get_stats as *const () as usize,
        result::midisock_strerror as *const () as usize,
        version::midisock_version as *const () as usize,
        version::midisock_version_string as *const () as usize,
        version::midisock_now_ns as *const () as usize,
    ];
    crate::sys::touch_own_pages(&functions);
}
