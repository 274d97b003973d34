// Rust: boxes, vectors, generics, closures, a panic that unwinds through frames.
use std::io::Write;

const BOXED: usize = 3801;
const VECTOR: usize = 3802;
const CLOSURE: usize = 3803;
const CAUGHT: usize = 3804;

// A value the optimiser knows nothing of.
fn black_box<T>(x: T) -> T {
    unsafe {
        let y = std::ptr::read_volatile(&x);
        std::mem::forget(x);
        y
    }
}

// A store after a call keeps the call from being a jump.
fn done() {
    static mut DONE: u8 = 0;
    unsafe { std::ptr::write_volatile(std::ptr::addr_of_mut!(DONE), 1) }
}

#[inline(never)]
fn boxed() {
    std::mem::forget(black_box(Box::new([0u8; BOXED])));
}

#[inline(never)]
fn vector<T: Clone>(zero: T, n: usize) {
    let mut v: Vec<T> = Vec::with_capacity(n);
    v.push(zero);
    std::mem::forget(black_box(v));
}

#[inline(never)]
fn call(f: &dyn Fn(usize)) {
    f(CLOSURE);
    done();
}

struct Guard;
impl Drop for Guard {
    #[inline(never)]
    fn drop(&mut self) {
        vector(0u8, CAUGHT);
        done();
    }
}

#[inline(never)]
fn unwound() {
    let _g = Guard;
    std::panic::resume_unwind(Box::new(1));
}

#[inline(never)]
fn once_round() {
    boxed();
    vector(0u8, VECTOR);
    call(black_box(&|n| {
        vector(0u8, n);
        done()
    }));
    let _ = std::panic::catch_unwind(unwound);
    done();
}

fn main() {
    println!("zoo {} exact zoo_rust::boxed;zoo_rust::once_round;zoo_rust::main", BOXED);
    println!("zoo {} exact zoo_rust::vector*;zoo_rust::once_round;zoo_rust::main", VECTOR);
    println!("zoo {} exact zoo_rust::vector*;zoo_rust::once_round::*closure*;zoo_rust::call;zoo_rust::once_round;zoo_rust::main", CLOSURE);
    println!("zoo {} exact zoo_rust::vector*;*drop*;*;zoo_rust::unwound;*;zoo_rust::once_round;zoo_rust::main", CAUGHT);
    std::io::stdout().flush().unwrap();
    loop {
        once_round();
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}
