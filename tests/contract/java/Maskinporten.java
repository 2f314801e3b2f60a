import java.io.FileInputStream;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import no.ks.fiks.maskinporten.Maskinportenklient;
import no.ks.fiks.maskinporten.MaskinportenklientProperties;

/**
 * Drives the published client maskinporten-client 3.6.0 as a vendor would: prints one access token a line, first one
 * asked for with the certificate of the key store, then one with its key under a key id.
 *
 * <p>Arguments: issuer, client id, key store (PKCS12), its password, alias, key id.
 */
public class Maskinporten {
    public static void main(String[] args) throws Exception {
        var password = args[3].toCharArray();
        var keyStore = KeyStore.getInstance("PKCS12");
        try (var file = new FileInputStream(args[2])) {
            keyStore.load(file, password);
        }
        var key = (PrivateKey) keyStore.getKey(args[4], password);
        var certificate = (X509Certificate) keyStore.getCertificate(args[4]);
        var properties = MaskinportenklientProperties.builder()
            .tokenEndpoint(args[0] + "token")
            .audience(args[0])
            .issuer(args[1])
            .numberOfSecondsLeftBeforeExpire(10)
            .build();
        var builder = Maskinportenklient.builder();
        System.out.println(builder.withPrivateKey(key).usingVirksomhetssertifikat(certificate)
            .withProperties(properties).build().getAccessToken("ks:fiks"));
        System.out.println(Maskinportenklient.builder().withPrivateKey(key).usingAsymmetricKey(args[5])
            .withProperties(properties).build().getAccessToken("ks:fiks"));
    }
}
