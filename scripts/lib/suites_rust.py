"""The Rust sources: format and lints."""

from runner import suite


@suite("fmt", "Rust sources are formatted", budget=60)
def fmt(run):
    run.case("cargo fmt", ["cargo", "fmt", "--check"])


@suite("clippy", "no warning, every unsafe block says why it is sound", budget=300)
def clippy(run):
    run.case("cargo clippy", [
        "cargo", "clippy", "--locked", "--all-targets", "--", "-D", "warnings",
        "-D", "clippy::undocumented_unsafe_blocks"])
    run.case("cargo clippy, without discovery", ["cargo", "clippy", "--locked", "--all-targets", "--no-default-features",
                                                 "--", "-D", "warnings"])
