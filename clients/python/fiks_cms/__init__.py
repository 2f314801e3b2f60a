"""The envelope of content that is encrypted for somebody on the Fiks platform: CMS, streamed, in constant memory.

Imports nothing but ``cryptography``: the client and the platform itself read and write by this one code.
"""

from fiks_cms.envelope import Decryptor, Encryptor, NotReadable
from fiks_cms.recipients import KeyPair

__all__ = ["Decryptor", "Encryptor", "KeyPair", "NotReadable"]
