import java.io.FileInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.Executors;
import no.ks.fiks.io.asice.AsicHandler;
import no.ks.fiks.io.asice.model.Content;
import no.ks.fiks.io.asice.model.KeystoreHolder;
import no.ks.fiks.io.asice.model.StreamContent;

/**
 * Drives the published library fiks-io-asice-handler 2.2.6, by which the client fiks-io-klient-java 3.5.0 signs, packs and
 * encrypts, and the other way round.
 *
 * <p>Arguments: key store and its password (alias virk), private key of the receiver (PEM), its certificate (PEM), and
 * then three for each job: write, folder of the files, file to write; or read, file to read, zip to write. Of a file that
 * it does not take nothing is written.
 */
public class Asice {
    public static void main(String[] args) throws Exception {
        var keyStore = KeyStore.getInstance("PKCS12");
        keyStore.load(new FileInputStream(args[0]), args[1].toCharArray());
        var signer =
                KeystoreHolder.builder()
                        .withKeyStore(keyStore)
                        .withKeyStorePassword(args[1])
                        .withKeyAlias("virk")
                        .withKeyPassword(args[1])
                        .build();
        try (var handler =
                AsicHandler.builder()
                        .withPrivatNokkel(key(args[2]))
                        .withKeyStoreHolder(signer)
                        .withExecutorService(Executors.newCachedThreadPool())
                        .build()) {
            for (int at = 4; at < args.length; at += 3) {
                var out = Path.of(args[at + 2]);
                if (args[at].equals("write")) {
                    try (var sent = handler.encrypt(certificate(args[3]), contents(Path.of(args[at + 1])))) {
                        Files.copy(sent, out);
                    }
                } else {
                    try (var in = Files.newInputStream(Path.of(args[at + 1]))) {
                        handler.writeDecrypted(in, out);
                    } catch (Exception refused) {
                        System.out.println(args[at + 1] + ": " + refused);
                        Files.deleteIfExists(out);
                    }
                }
            }
        }
        System.exit(0);
    }

    private static List<Content> contents(Path folder) throws Exception {
        var contents = new ArrayList<Content>();
        try (var files = Files.list(folder)) {
            for (var file : files.sorted().toList()) {
                contents.add(new StreamContent(Files.newInputStream(file), file.getFileName().toString()));
            }
        }
        return contents;
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
