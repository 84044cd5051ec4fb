//! Thirty-two secret bytes, and the two ways in which an operator keeps them: a value in the
//! environment, or a file that only the service can read.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use rustix::{fs::OFlags, io::Errno};
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox, zeroize::Zeroizing};
use sha2::{Digest, Sha256};

use crate::{NoRandomness, Randomness};

/// How many bytes a key has.
const LENGTH: usize = 32;

/// Far more than a key in any spelling; what is longer isn't read.
const LONGEST_FILE: u64 = 4096;

const BASE64: GeneralPurpose = lenient(&alphabet::STANDARD);
const BASE64_URL: GeneralPurpose = lenient(&alphabet::URL_SAFE);

const fn lenient(alphabet: &alphabet::Alphabet) -> GeneralPurpose {
    let padding = DecodePaddingMode::Indifferent;
    GeneralPurpose::new(alphabet, GeneralPurposeConfig::new().with_decode_padding_mode(padding))
}

/// A 256-bit key, wiped when dropped. It can't be printed, compared, copied or serialized.
pub struct KeyMaterial(SecretBox<[u8; LENGTH]>);

/// The text isn't a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key: 32 bytes in hex (64 digits) or base64 are needed")]
pub struct MalformedKey;

/// Why a key file can't be used or made. Carries no path: the caller knows which file it meant.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is no such file.
    #[error("the key file does not exist")]
    Absent,
    /// It will not be overwritten.
    #[error("the key file exists already")]
    Exists,
    /// A symbolic link, a directory, a device.
    #[error("the key file is not a regular file")]
    NotRegular,
    /// Somebody else could read or change it.
    #[error("the key file has mode {0:04o}, but only its owner may read it: use `chmod 600`")]
    Mode(u32),
    /// It belongs to another user than the one that runs the service.
    #[error("the key file belongs to user {owner}, but the service runs as {expected}")]
    Owner {
        /// Whose it is.
        owner: u32,
        /// Whose it should be.
        expected: u32,
    },
    /// What stands in it isn't a key.
    #[error(transparent)]
    Malformed(#[from] MalformedKey),
    /// No key could be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The file system refused.
    #[error("the key file could not be used")]
    Io(#[from] io::Error),
}

impl From<SecretBox<[u8; LENGTH]>> for KeyMaterial {
    fn from(key: SecretBox<[u8; LENGTH]>) -> Self {
        Self(key)
    }
}

impl KeyMaterial {
    /// A new key.
    pub fn generate(random: &dyn Randomness) -> Result<Self, NoRandomness> {
        let mut key = SecretBox::<[u8; LENGTH]>::default();
        random.fill(key.expose_secret_mut())?;
        Ok(Self(key))
    }

    /// Reads a key as an operator writes it: hex or base64 (either alphabet, padded or not), with
    /// white space around it.
    pub fn parse(text: &str) -> Result<Self, MalformedKey> {
        let text = text.trim();
        let mut key = SecretBox::<[u8; LENGTH]>::default();
        let bytes = Zeroizing::new(if text.len() == 2 * LENGTH {
            hex::decode(text).map_err(|_| MalformedKey)?
        } else {
            BASE64.decode(text).or_else(|_| BASE64_URL.decode(text)).map_err(|_| MalformedKey)?
        });
        let bytes: &[u8; LENGTH] = bytes.as_slice().try_into().map_err(|_| MalformedKey)?;
        key.expose_secret_mut().copy_from_slice(bytes);
        Ok(Self(key))
    }

    /// Reads the key in a file that nobody else can read: a regular file, not a link, owned by the
    /// user who runs this, with mode 0600 or narrower.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let file = open_without_following(path)?;
        refuse_what_others_can_reach(&file)?;
        let mut text = Zeroizing::new(String::with_capacity(256));
        let read = file.take(LONGEST_FILE).read_to_string(&mut text);
        match read {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(MalformedKey.into()),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(Self::parse(&text)?),
        }
    }

    /// Makes a new key and keeps it in a new file of mode 0600. The file appears whole or not at
    /// all, also when the machine stops halfway; an existing one is never replaced.
    pub fn create(path: &Path, random: &dyn Randomness) -> Result<Self, KeyFileError> {
        let key = Self::generate(random)?;
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        let mut line = Zeroizing::new(hex::encode(key.expose()));
        line.push('\n');
        file.write_all(line.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|refused| match refused.error.kind() {
            io::ErrorKind::AlreadyExists => KeyFileError::Exists,
            _ => KeyFileError::Io(refused.error),
        })?;
        File::open(directory)?.sync_all()?;
        Ok(key)
    }

    /// The key itself.
    pub fn expose(&self) -> &[u8; LENGTH] {
        self.0.expose_secret()
    }

    /// A public name for the key, 16 hex digits: the same wherever the key is kept. `domain` keeps
    /// the names of different uses apart.
    pub fn fingerprint(&self, domain: &str) -> String {
        let hash =
            Sha256::new().chain_update(domain).chain_update([0]).chain_update(self.expose()).finalize();
        hex::encode(hash.first_chunk::<8>().copied().unwrap_or_default())
    }
}

fn open_without_following(path: &Path) -> Result<File, KeyFileError> {
    // NONBLOCK: opening a FIFO would wait for a writer.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    opened.map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::NOENT) => KeyFileError::Absent,
        Some(Errno::LOOP) => KeyFileError::NotRegular,
        _ => KeyFileError::Io(error),
    })
}

/// Looks at the file that was opened, not at the path, which may already name another one.
fn refuse_what_others_can_reach(file: &File) -> Result<(), KeyFileError> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(KeyFileError::NotRegular);
    }
    let expected = rustix::process::geteuid().as_raw();
    if metadata.uid() != expected {
        return Err(KeyFileError::Owner { owner: metadata.uid(), expected });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & !0o600 != 0 {
        return Err(KeyFileError::Mode(mode));
    }
    Ok(())
}
