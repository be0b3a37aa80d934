//! Unix sockets that have a path, on Windows 10 1803 and later. Their files have no mode: who may connect follows from the
//! folder, and the user's own folders are the user's alone.

use super::address::UnixPath;
use super::code::{Code, Failure};
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::windows::fs::{MetadataExt, OpenOptionsExt};
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, GENERIC_WRITE};
use windows_sys::Win32::Storage::FileSystem::{
    DELETE, FILE_ATTRIBUTE_TAG_INFO, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_DELETE_ON_CLOSE,
    FILE_FLAG_OPEN_REPARSE_POINT, FILE_READ_ATTRIBUTES, FileAttributeTagInfo, GetFileInformationByHandleEx,
};

/// IO_REPARSE_TAG_AF_UNIX: the file is a Unix socket.
const SOCKET_TAG: u32 = 0x8000_0023;

/// The pause between two tries to lock a path. A program keeps the lock for a few system calls.
const LOCK_RETRY: Duration = Duration::from_millis(1);

/// The file of a socket that listens. Dropping it removes the file if it is still the same.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// A later file at the path was written later. Its time of creation may be that of the earlier one.
    written: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|now| now.last_write_time() == self.written) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A socket that listens at a path. `patience`: how long to wait for another program that binds there.
pub(crate) fn listen(path: &UnixPath, backlog: i32, patience: Duration) -> Result<(Socket, SocketFile), Failure> {
    let path = Path::new(path.as_str());
    // A server that waits for its path would be a client of the server that has it, again and again.
    let may_ask = !patience.is_zero();
    let bound = stream().and_then(|socket| {
        let _lock = Lock::take(path, patience)?;
        let file = bind(&socket, path, may_ask)?;
        socket.listen(backlog)?;
        socket.set_nonblocking(true)?;
        Ok((socket, file))
    });
    bound.map_err(|error| failure(&error))
}

/// Binds a path. The caller holds its lock: a socket that is bound but does not listen yet is refused like one that was
/// left behind.
fn bind(socket: &Socket, path: &Path, may_ask: bool) -> io::Result<SocketFile> {
    let address = SockAddr::unix(path)?;
    if let Err(error) = socket.bind(&address) {
        if error.kind() != ErrorKind::AddrInUse || !may_ask || !is_left_behind(path) {
            return Err(error);
        }
        fs::remove_file(path)?;
        socket.bind(&address)?;
    }
    Ok(SocketFile {
        written: fs::symlink_metadata(path)?.last_write_time(),
        path: path.to_owned(),
    })
}

/// Whether a file is a socket on which no program listens any more. Whether Windows also refuses where a server's backlog
/// is full, nobody has seen yet.
fn is_left_behind(path: &Path) -> bool {
    if !is_socket(path).unwrap_or(false) {
        return false;
    }
    let outcome = stream().and_then(|socket| socket.connect(&SockAddr::unix(path)?));
    outcome.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// Whether a file is a Unix socket.
fn is_socket(path: &Path) -> io::Result<bool> {
    let file = OpenOptions::new()
        .access_mode(FILE_READ_ATTRIBUTES)
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS)
        .open(path)?;
    let mut info = FILE_ATTRIBUTE_TAG_INFO::default();
    // SAFETY: the handle is the file's own; the system writes at most the size of the struct that it is told of.
    let told = unsafe {
        GetFileInformationByHandleEx(
            file.as_raw_handle(),
            FileAttributeTagInfo,
            (&raw mut info).cast(),
            size_of::<FILE_ATTRIBUTE_TAG_INFO>() as u32,
        )
    };
    Ok(told != 0 && info.ReparseTag == SOCKET_TAG)
}

/// Connects to a path. A server on the same machine accepts or refuses at once.
pub(crate) fn connect(path: &UnixPath) -> Result<Socket, Failure> {
    let connect = || {
        let socket = stream()?;
        socket.connect(&SockAddr::unix(path.as_str())?)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    connect().map_err(|error: io::Error| match error.kind() {
        // There is no file yet.
        ErrorKind::NotFound => Failure {
            code: Code::Refused,
            ..Failure::from(&error)
        },
        _ => failure(&error),
    })
}

fn stream() -> io::Result<Socket> {
    Socket::new(Domain::UNIX, Type::STREAM, None)
}

/// Why a path cannot be used.
fn failure(error: &io::Error) -> Failure {
    let code = match error.kind() {
        // Its folder does not exist.
        ErrorKind::NotFound | ErrorKind::NotADirectory => Code::Address,
        // An older Windows.
        _ if super::is_missing_family(error) => Code::Unsupported,
        _ => return Failure::of_address(error),
    };
    Failure {
        code,
        ..Failure::from(error)
    }
}

/// The lock of a path, against other programs that bind there at the same time: a file beside it that no other program can
/// open, and that goes with its handle.
struct Lock {
    _file: File,
}

impl Lock {
    fn take(path: &Path, patience: Duration) -> io::Result<Self> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".midisock-lock");
        let until = Instant::now() + patience;
        loop {
            let opened = OpenOptions::new()
                .create(true)
                .write(true)
                .truncate(false)
                .access_mode(GENERIC_WRITE | DELETE)
                .share_mode(0)
                .custom_flags(FILE_FLAG_DELETE_ON_CLOSE | FILE_FLAG_OPEN_REPARSE_POINT)
                .open(&beside);
            let error = match opened {
                Ok(file) => return Ok(Self { _file: file }),
                Err(error) => error,
            };
            let is_in_use = match error.raw_os_error().map(|number| number as u32) {
                Some(ERROR_SHARING_VIOLATION) => true,
                // A file that is being deleted gives this for a moment; so does a folder that the user may not write.
                Some(ERROR_ACCESS_DENIED) => false,
                _ => return Err(error),
            };
            if Instant::now() >= until {
                // A server that waits for its path tries again after "in use" only.
                return Err(if is_in_use || patience.is_zero() {
                    ErrorKind::AddrInUse.into()
                } else {
                    error
                });
            }
            std::thread::sleep(LOCK_RETRY);
        }
    }
}
