//! A Rust static library of a plugin's own, which links beside midisock: it uses what both bring of Rust's standard library,
//! threads, thread-locals and a panic that is caught.

use std::cell::Cell;
use std::collections::HashMap;

thread_local! {
    static SUM: Cell<i32> = const { Cell::new(0) };
}

/// The sum of 1 to `count`, by a thread; `u32::MAX` where a panic was not caught as it should.
#[unsafe(no_mangle)]
pub extern "C" fn neighbour_sum(count: u32) -> u32 {
    let caught = std::panic::catch_unwind(|| {
        let empty: Vec<u32> = Vec::with_capacity(count as usize);
        empty[count as usize]
    });
    let worker = std::thread::spawn(move || {
        let numbers: HashMap<u32, String> = (1..=count).map(|number| (number, number.to_string())).collect();
        for text in numbers.values() {
            SUM.set(SUM.get() + text.parse::<i32>().unwrap());
        }
        SUM.get() as u32
    });
    match (caught, worker.join()) {
        (Err(_), Ok(sum)) => sum,
        _ => u32::MAX,
    }
}
