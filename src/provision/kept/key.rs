//! The key of the fields that are kept: 32 random bytes in a file, as 64 hexadecimal digits.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rand::TryRng;
use rand::rngs::SysRng;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::{Digest, Sha256};

const LENGTH: usize = 32;

/// Sets a key's id apart from other hashes of it.
const PURPOSE: &[u8] = b"fcom-sidecar: id of a key of kept fields\0";

/// Tells keys apart, and says nothing about the key.
pub type KeyId = [u8; 8];

/// Encrypts and decrypts fields with ChaCha20-Poly1305: it needs no hardware to be fast in constant time. Nonces are random: one key may
/// encrypt four thousand million calls before two are likely enough to be equal to matter.
pub struct KeyOfFields {
    key: LessSafeKey,
    id: KeyId,
}

/// What is stored of encrypted fields.
pub(super) struct Sealed {
    pub(super) nonce: [u8; NONCE_LEN],
    pub(super) text: Vec<u8>,
}

/// The fields are not those that were encrypted with this key for this refused call of this webhook.
#[derive(Debug, thiserror::Error)]
#[error("the fields were changed, or belong to another call")]
pub struct NotOpened;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("cannot be read")]
    Unreadable(#[source] io::Error),
    /// It cannot be made.
    #[error("does not exist and cannot be made")]
    NotMade(#[source] io::Error),
    /// It holds something else.
    #[error("does not hold 64 hexadecimal digits")]
    NoKey,
    /// Others can read it.
    #[error("can be read or changed by everybody (mode {0:04o})")]
    Open(u32),
}

impl KeyFileError {
    /// What the operator has to do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Unreadable(error) if error.kind() == io::ErrorKind::NotFound => {
                "put the file back: what was kept with its key cannot be read without it. \"serve\" makes a new one when it starts"
            }
            Self::Unreadable(_) => "run the command as root or as the daemon's user",
            Self::NotMade(_) => {
                "name a file in a folder that the daemon's user can write to, such as /var/lib/fcom-sidecar/refused.key"
            }
            Self::NoKey => {
                "write a key into it, e.g. with: openssl rand -hex 32; what was kept with another key cannot be read any more"
            }
            Self::Open(_) => "chmod 0600 or 0640, and use a new key if others may have seen it",
        }
    }
}

/// Reads the key.
///
/// # Errors
/// See [`KeyFileError`].
pub fn read_key(file: &Path) -> Result<KeyOfFields, KeyFileError> {
    let text = fs::read(file).map_err(KeyFileError::Unreadable)?;
    let text = SecretSlice::from(text);
    let metadata = fs::metadata(file).map_err(KeyFileError::Unreadable)?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o007 != 0 {
        return Err(KeyFileError::Open(mode));
    }
    let mut key = [0; LENGTH];
    hex::decode_to_slice(text.expose_secret().trim_ascii(), &mut key)
        .map_err(|_| KeyFileError::NoKey)?;
    Ok(KeyOfFields::new(&key))
}

/// Reads the key, or makes it if there is none. It appears whole or not at all, and the first of several processes makes it for all.
///
/// # Errors
/// See [`KeyFileError`].
pub fn make_key(file: &Path) -> Result<KeyOfFields, KeyFileError> {
    match read_key(file) {
        Err(KeyFileError::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    write_key(file).map_err(KeyFileError::NotMade)?;
    tracing::info!("made the key for the fields of refused calls");
    read_key(file)
}

fn write_key(file: &Path) -> io::Result<()> {
    let mut unfinished = file.as_os_str().to_owned();
    unfinished.push(format!(".{}", hex::encode(random::<8>())));
    let unfinished = Path::new(&unfinished);
    let written = (|| {
        let mut options = OpenOptions::new();
        let mut new = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(unfinished)?;
        new.set_permissions(Permissions::from_mode(0o600))?;
        let digits = hex::encode(random::<LENGTH>());
        writeln!(new, "{digits}")?;
        new.sync_all()?;
        // Unlike a renamed file, a link replaces none.
        match fs::hard_link(unfinished, file) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        }
    })();
    let _ = fs::remove_file(unfinished);
    written
}

/// # Panics
/// If the operating system's generator fails; there is no safe way to go on without it.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SysRng
        .try_fill_bytes(&mut bytes)
        .expect("the system's random generator works");
    bytes
}

impl KeyOfFields {
    fn new(key: &[u8; LENGTH]) -> Self {
        let digest = Sha256::new()
            .chain_update(PURPOSE)
            .chain_update(key)
            .finalize();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).expect("the key has 32 bytes");
        Self {
            key: LessSafeKey::new(key),
            id,
        }
    }

    /// Tells it apart from others.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Encrypts the fields of a refused call of a webhook, so that they can be decrypted as those of this call only.
    pub(super) fn seal(&self, fields: &[u8], refused_id: u64, webhook_id: u64) -> Sealed {
        let nonce = random();
        let mut text = fields.to_vec();
        let place = place(refused_id, webhook_id);
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place),
                &mut text,
            )
            .expect("fields are shorter than what may be encrypted at once");
        Sealed { nonce, text }
    }

    pub(super) fn open(
        &self,
        sealed: Sealed,
        refused_id: u64,
        webhook_id: u64,
    ) -> Result<SecretSlice<u8>, NotOpened> {
        let Sealed { nonce, mut text } = sealed;
        let (nonce, place) = (
            Nonce::assume_unique_for_key(nonce),
            place(refused_id, webhook_id),
        );
        let opened = self.key.open_in_place(nonce, Aad::from(place), &mut text);
        let length = opened.map_err(|_| NotOpened)?.len();
        text.truncate(length);
        Ok(SecretSlice::from(text))
    }
}

fn place(refused_id: u64, webhook_id: u64) -> [u8; 16] {
    (u128::from(refused_id) << 64 | u128::from(webhook_id)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_with_their_key_as_those_of_their_call_only() {
        let (key, other) = (KeyOfFields::new(&[1; 32]), KeyOfFields::new(&[2; 32]));
        assert_ne!(key.id(), other.id());
        let fields = b"ann@example.com";
        let sealed = || key.seal(fields, 31, 4);
        assert!(!sealed().text.windows(3).any(|part| part == b"ann"));
        assert_ne!(sealed().text, sealed().text);
        let opened = key.open(sealed(), 31, 4).unwrap();
        assert_eq!(opened.expose_secret(), fields);
        assert!(key.open(sealed(), 32, 4).is_err());
        assert!(key.open(sealed(), 31, 5).is_err());
        assert!(other.open(sealed(), 31, 4).is_err());
        let mut changed = sealed();
        changed.text[0] ^= 1;
        assert!(key.open(changed, 31, 4).is_err());
        let empty = Sealed {
            nonce: [0; NONCE_LEN],
            text: Vec::new(),
        };
        assert!(key.open(empty, 31, 4).is_err());
    }

    #[test]
    fn a_key_is_made_once_and_only_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("refused.key");
        let ids: Vec<KeyId> = std::thread::scope(|scope| {
            let made: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| make_key(&file).unwrap().id()))
                .collect();
            made.into_iter().map(|id| id.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(make_key(&file), Err(KeyFileError::Open(0o644))));
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        fs::write(&file, "no key").unwrap();
        assert!(matches!(make_key(&file), Err(KeyFileError::NoKey)));
        let nowhere = folder.path().join("nowhere/refused.key");
        assert!(matches!(make_key(&nowhere), Err(KeyFileError::NotMade(_))));
        assert!(matches!(
            read_key(&nowhere),
            Err(KeyFileError::Unreadable(_))
        ));
    }
}
