//! Unix sockets that have a path.

use super::address::UnixPath;
use super::code::{Code, Failure};
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Only its user can connect to the socket.
const MODE: u32 = 0o600;
/// The pause between two tries to lock a folder. A program keeps the lock for a few system calls.
const LOCK_RETRY: Duration = Duration::from_millis(1);

/// The file of a socket that listens. Dropping it removes the file if it is still the same. Drop it before the socket:
/// no other program takes the path while the socket listens.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode. The socket keeps the inode, so that no other file gets its number.
    identity: (u64, u64),
}

impl SocketFile {
    fn is_still_there(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|now| identity(&now) == self.identity)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_still_there() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// A socket that listens at a path. `patience`: how long to wait for another program that binds in the same folder.
pub(crate) fn listen(path: &UnixPath, backlog: i32, patience: Duration) -> Result<(Socket, SocketFile), Failure> {
    let path = Path::new(path.as_str());
    let ask = if patience.is_zero() { Ask::Quietly } else { Ask::Server };
    let bound = FolderLock::take(path, patience)
        .and_then(|_lock| bind(path, ask).and_then(|bound| bound.0.listen(backlog).map(|()| bound)));
    bound.map_err(|error| failure(&error))
}

/// Binds a path. The caller holds the lock of its folder: a socket that is bound but does not listen yet is refused
/// like one that was left behind.
fn bind(path: &Path, ask: Ask) -> io::Result<(Socket, SocketFile)> {
    let socket = stream()?;
    // Linux makes the file with the socket's own mode. Elsewhere this is an error, and `chmod` follows.
    // SAFETY: the descriptor is the socket's own.
    unsafe { libc::fchmod(socket.as_raw_fd(), MODE as libc::mode_t) };
    let address = SockAddr::unix(path)?;
    if let Err(error) = socket.bind(&address) {
        if error.kind() != ErrorKind::AddrInUse || !is_left_behind(path, ask) {
            return Err(error);
        }
        fs::remove_file(path)?;
        socket.bind(&address)?;
    }
    let made = fs::symlink_metadata(path)?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: identity(&made),
    };
    if made.mode() & 0o7777 != MODE {
        fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
    }
    Ok((socket, file))
}

/// How to find out whether a program listens at a path.
#[derive(Clone, Copy)]
enum Ask {
    /// By connecting, which a server sees as a client that leaves at once. A socket that does not listen refuses it.
    Server,
    /// With a datagram socket, which no server sees. Only a file without any socket refuses it. For frequent checks.
    Quietly,
}

/// Whether a file is a socket of this user on which no program listens any more.
fn is_left_behind(path: &Path, ask: Ask) -> bool {
    // SAFETY: the call always succeeds.
    let user = unsafe { libc::geteuid() };
    let is_own_socket = |file: &Metadata| file.file_type().is_socket() && file.uid() == user;
    if !fs::symlink_metadata(path).as_ref().is_ok_and(is_own_socket) {
        return false;
    }
    let socket = match ask {
        Ask::Server => stream(),
        Ask::Quietly => Socket::new(Domain::UNIX, Type::DGRAM, None),
    };
    let outcome = socket.and_then(|socket| socket.connect(&SockAddr::unix(path)?));
    outcome.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// Begins to connect to a path. It does not wait: the connection is there at once, or it fails.
pub(crate) fn connect(path: &UnixPath) -> Result<Socket, Failure> {
    let connect = || {
        let socket = stream()?;
        socket.connect(&SockAddr::unix(path.as_str())?)?;
        Ok(socket)
    };
    connect().map_err(|error: io::Error| match error.kind() {
        // There is no file yet, or more connections wait at its server than its backlog allows.
        ErrorKind::NotFound | ErrorKind::WouldBlock => Failure {
            code: Code::Refused,
            ..Failure::from(&error)
        },
        _ => failure(&error),
    })
}

fn stream() -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Why a path cannot be used.
fn failure(error: &io::Error) -> Failure {
    let code = match error.kind() {
        // Its folder does not exist.
        ErrorKind::NotFound | ErrorKind::NotADirectory => Code::Address,
        ErrorKind::ReadOnlyFilesystem => Code::Permission,
        _ => return Failure::of_address(error),
    };
    Failure {
        code,
        ..Failure::from(error)
    }
}

/// The lock of a folder, against other programs that bind there at the same time. The folder itself is locked, so that
/// no file is left behind.
struct FolderLock(File);

impl FolderLock {
    fn take(path: &Path, patience: Duration) -> io::Result<Self> {
        let folder = File::open(path.parent().unwrap_or(path))?;
        let until = Instant::now() + patience;
        loop {
            match lock(&folder, libc::LOCK_EX | libc::LOCK_NB) {
                Ok(()) => return Ok(Self(folder)),
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                Err(_) if Instant::now() >= until => return Err(ErrorKind::AddrInUse.into()),
                Err(_) => std::thread::sleep(LOCK_RETRY),
            }
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing would not be enough: a process that was forked meanwhile has the descriptor too.
        let _ = lock(&self.0, libc::LOCK_UN);
    }
}

/// Changes the lock of a file.
fn lock(file: &File, operation: libc::c_int) -> io::Result<()> {
    // SAFETY: no memory is involved.
    if unsafe { libc::flock(file.as_raw_fd(), operation) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::sync::atomic::{AtomicU32, Ordering};

    const PATIENCE: Duration = Duration::from_secs(20);

    /// A folder of a test's own.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let name = format!(
                "midisock-{}-{}",
                std::process::id(),
                NEXT.fetch_add(1, Ordering::Relaxed)
            );
            let path = std::env::temp_dir().join(name);
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn path(&self, name: &str) -> UnixPath {
            UnixPath::new(self.0.join(name).to_str().unwrap()).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn listen_at(path: &UnixPath) -> Result<(Socket, SocketFile), Code> {
        listen(path, 8, PATIENCE).map_err(|failure| failure.code)
    }

    #[test]
    fn it_listens_with_its_mode_and_leaves_nothing_behind() {
        let folder = Folder::new();
        let path = folder.path("a");
        let (socket, file) = listen_at(&path).unwrap();
        assert_eq!(fs::metadata(path.as_str()).unwrap().mode() & 0o7777, MODE);
        connect(&path).unwrap();
        assert_eq!(listen_at(&path).unwrap_err(), Code::AddressInUse);
        drop(file);
        drop(socket);
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
        assert_eq!(connect(&path).unwrap_err().code, Code::Refused);
    }

    #[test]
    fn only_a_socket_that_was_left_behind_is_replaced() {
        let folder = Folder::new();
        let path = folder.path("a");
        drop(UnixListener::bind(path.as_str()).unwrap());
        let (_socket, file) = listen_at(&path).unwrap();
        UnixStream::connect(path.as_str()).unwrap();
        drop(file);
        fs::write(path.as_str(), "text").unwrap();
        assert_eq!(listen_at(&path).unwrap_err(), Code::AddressInUse);
        assert_eq!(fs::read(path.as_str()).unwrap(), b"text");
        let link = folder.path("link");
        let _gone = UnixListener::bind(folder.path("b").as_str());
        std::os::unix::fs::symlink(folder.path("b").as_str(), link.as_str()).unwrap();
        drop(_gone);
        assert_eq!(listen_at(&link).unwrap_err(), Code::AddressInUse);
    }

    #[test]
    fn a_server_does_not_notice_those_that_wait_for_its_path() {
        let folder = Folder::new();
        let path = folder.path("a");
        let server = UnixListener::bind(path.as_str()).unwrap();
        server.set_nonblocking(true).unwrap();
        let at_once = listen(&path, 8, Duration::ZERO).unwrap_err();
        assert_eq!(at_once.code, Code::AddressInUse);
        assert_eq!(server.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(server);
        listen(&path, 8, Duration::ZERO).unwrap();
    }

    #[test]
    fn a_file_that_took_its_place_stays() {
        let folder = Folder::new();
        let path = folder.path("a");
        let (_socket, file) = listen_at(&path).unwrap();
        fs::remove_file(path.as_str()).unwrap();
        fs::write(path.as_str(), "text").unwrap();
        drop(file);
        assert!(Path::new(path.as_str()).exists());
    }

    #[test]
    fn a_path_without_its_folder_is_an_address_error() {
        let folder = Folder::new();
        assert_eq!(listen_at(&folder.path("none/a")).unwrap_err(), Code::Address);
        fs::write(folder.path("file").as_str(), "").unwrap();
        assert_eq!(listen_at(&folder.path("file/a")).unwrap_err(), Code::Address);
        assert_eq!(connect(&folder.path("file/a")).unwrap_err().code, Code::Address);
    }

    #[test]
    fn a_locked_folder_is_waited_for_and_then_in_use() {
        let folder = Folder::new();
        let path = folder.path("a");
        let lock = FolderLock::take(Path::new(path.as_str()), PATIENCE).unwrap();
        let at_once = listen(&path, 8, Duration::ZERO).unwrap_err();
        assert_eq!(at_once.code, Code::AddressInUse);
        let waiting = std::thread::spawn(move || listen_at(&path).map(drop));
        drop(lock);
        waiting.join().unwrap().unwrap();
    }

    #[test]
    fn of_many_that_find_an_old_file_one_gets_the_path() {
        let folder = Folder::new();
        let path = folder.path("a");
        for _ in 0..20 {
            drop(UnixListener::bind(path.as_str()).unwrap());
            let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(move || listen_at(&path))).collect();
            let outcomes: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
            assert_eq!(won.len(), 1);
            assert!(
                lost.into_iter()
                    .all(|outcome| outcome.unwrap_err() == Code::AddressInUse)
            );
            connect(&path).unwrap();
            drop(won.into_iter().map(|won| won.unwrap().1).collect::<Vec<_>>());
        }
    }
}
