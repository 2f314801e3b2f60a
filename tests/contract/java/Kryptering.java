import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import no.ks.kryptering.CMSKrypteringImpl;

/**
 * Drives the published library kryptering 2.2.0, by which all Java clients of KS encrypt and decrypt (BouncyCastle).
 *
 * <p>Arguments, four for each file: encrypt or decrypt, certificate or private key (PEM), file to read, file to write.
 */
public class Kryptering {
    public static void main(String[] args) throws Exception {
        var kryptering = new CMSKrypteringImpl();
        for (int at = 0; at < args.length; at += 4) {
            try (var in = Files.newInputStream(Path.of(args[at + 2]));
                var out = Files.newOutputStream(Path.of(args[at + 3]))) {
                if (args[at].equals("encrypt")) {
                    kryptering.krypterData(out, in, certificate(args[at + 1]));
                } else {
                    kryptering.dekrypterData(in, key(args[at + 1])).transferTo(out);
                }
            }
        }
    }

    private static X509Certificate certificate(String file) throws Exception {
        try (var pem = Files.newInputStream(Path.of(file))) {
            return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(pem);
        }
    }

    private static PrivateKey key(String file) throws Exception {
        var pem = Files.readString(Path.of(file)).replaceAll("-----[A-Z ]+-----|\\s", "");
        return KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem)));
    }
}
