import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import no.ks.fiks.dokumentlager.klient.DokumentlagerApiImpl;
import no.ks.fiks.dokumentlager.klient.DokumentlagerKlient;
import no.ks.fiks.dokumentlager.klient.HttpConfiguration;
import no.ks.fiks.dokumentlager.klient.authentication.IntegrasjonAuthenticationStrategy;
import no.ks.fiks.dokumentlager.klient.exception.DokumentlagerHttpException;
import no.ks.fiks.dokumentlager.klient.model.DokumentMetadataUpdate;
import no.ks.fiks.dokumentlager.klient.model.DokumentMetadataUpload;
import no.ks.fiks.dokumentlager.klient.model.DokumentMetadataUploadResult;
import no.ks.fiks.dokumentlager.klient.model.DokumentlagerResponse;
import no.ks.fiks.dokumentlager.klient.model.Soketreff;
import no.ks.fiks.dokumentlager.klient.model.eksponertfor.EksponertFor;
import no.ks.fiks.dokumentlager.klient.model.eksponertfor.EksponertForAutorisasjon;
import no.ks.fiks.dokumentlager.klient.model.eksponertfor.EksponertForIntegrasjon;
import no.ks.fiks.dokumentlager.klient.model.eksponertfor.EksponertForMatrikkelenhet;
import no.ks.fiks.dokumentlager.klient.model.eksponertfor.EksponertForOrganisasjon;
import no.ks.fiks.dokumentlager.klient.model.eksponertfor.EksponertForPerson;
import no.ks.fiks.dokumentlager.klient.model.eksponertfor.RessursType;
import no.ks.fiks.maskinporten.Maskinportenklient;
import no.ks.fiks.maskinporten.MaskinportenklientProperties;

/**
 * Drives the published client dokumentlager-klient 4.0.1 as a vendor would, by {@link Lines}.
 *
 * <p>{"do": "caller", ...} makes the client of a caller; all that follow are that caller's calls, until the next one.
 */
public class Dokumentlager {
    private static final int PARALLEL = 20;
    private static final List<String> HEADERS = List.of("Location", "Content-Type", "Content-Disposition", "ETag");

    private static Dokumentlager caller;

    private final DokumentlagerKlient client;
    private final Map<String, DokumentlagerResponse<InputStream>> prepared = new HashMap<>();

    public static void main(String[] args) throws Exception {
        Lines.serve(Dokumentlager::perform, Dokumentlager::tell);
    }

    private static Object perform(JsonNode ask) throws Exception {
        if (ask.get("do").asText().equals("caller")) {
            caller = new Dokumentlager(ask);
            return null;
        }
        return caller.does(ask);
    }

    private Dokumentlager(JsonNode ask) throws Exception {
        var keyStore = Lines.keyStore(ask);
        var password = ask.get("keyStorePassword").asText().toCharArray();
        var alias = ask.get("alias").asText();
        var maskinporten = Maskinportenklient.builder()
            .withPrivateKey((PrivateKey) keyStore.getKey(alias, password))
            .usingVirksomhetssertifikat((X509Certificate) keyStore.getCertificate(alias))
            .withProperties(MaskinportenklientProperties.builder()
                .tokenEndpoint(ask.get("issuer").asText() + "token")
                .audience(ask.get("issuer").asText())
                .issuer(ask.get("clientId").asText())
                .numberOfSecondsLeftBeforeExpire(10)
                .build())
            .build();
        var auth = new IntegrasjonAuthenticationStrategy(maskinporten, Lines.id(ask, "integrasjonId"),
            ask.get("integrasjonPassord").asText());
        var http = HttpConfiguration.builder();
        if (ask.has("idleTimeoutMillis")) {
            http.idleTimeout(Duration.ofMillis(ask.get("idleTimeoutMillis").asLong()));
        }
        var url = ask.get("url").asText();
        client = DokumentlagerKlient.builder()
            .api(DokumentlagerApiImpl.builder()
                .uploadBaseUrl(url)
                .downloadBaseUrl(url)
                .authenticationStrategy(auth)
                .httpConfiguration(http.build())
                .build())
            .build();
    }

    private Object does(JsonNode ask) throws Exception {
        return switch (ask.get("do").asText()) {
            case "upload" -> shown(upload(ask));
            case "uploadMany" -> uploadMany(ask);
            case "download" -> content(client.download(Lines.id(ask, "id")), ask);
            case "prepareLazy" -> prepare(ask);
            case "readLazy" -> content(prepared.remove(ask.get("id").asText()), ask);
            case "metadata" -> metadata(ask);
            case "update" -> update(ask);
            case "delete" -> client.delete(org(ask), konto(ask), Lines.id(ask, "id")).getHttpStatus();
            case "deleteByKorrelasjonsid" -> client.deleteDokumenterByKorrelasjonsid(
                org(ask), konto(ask), Lines.id(ask, "korrelasjonsid")).getHttpStatus();
            case "search" -> search(ask);
            case "publicKey" -> client.getPublicKeyAsX509Certificate().getResult().getSubjectX500Principal().getName();
            default -> throw new IllegalArgumentException("nobody knows how to do " + ask.get("do"));
        };
    }

    private DokumentlagerResponse<DokumentMetadataUploadResult> upload(JsonNode ask) throws Exception {
        try (var content = new Pausing(Files.newInputStream(Path.of(ask.get("file").asText())), ask)) {
            return switch (ask.path("how").asText("plain")) {
                case "plain" -> client.upload(content, described(ask), org(ask), konto(ask));
                case "encrypted" -> client.upload(content, described(ask), org(ask), konto(ask), true);
                case "limited" -> client.upload(content, described(ask), org(ask), konto(ask), false,
                    ask.get("maksStorrelse").asLong());
                case "alreadyEncrypted" -> client.uploadAlreadyEncrypted(content, described(ask), org(ask), konto(ask));
                default -> throw new IllegalArgumentException("nobody knows how to upload " + ask.get("how"));
            };
        }
    }

    /** Each of the files, all at once, from threads that share one client. */
    private Object uploadMany(JsonNode ask) throws Exception {
        var threads = Executors.newFixedThreadPool(PARALLEL);
        var uploads = new ArrayList<Callable<Object>>();
        for (var file : ask.get("files")) {
            var one = ((ObjectNode) ask.deepCopy()).set("file", file);
            uploads.add(() -> shown(upload(one)));
        }
        var sent = new ArrayList<>();
        for (var future : threads.invokeAll(uploads)) {
            sent.add(future.get());
        }
        threads.shutdown();
        return sent;
    }

    private Object prepare(JsonNode ask) {
        prepared.put(ask.get("id").asText(), client.downloadLazy(Lines.id(ask, "id")));
        return null;
    }

    private Object metadata(JsonNode ask) {
        var found = client.downloadMetadata(Lines.id(ask, "id")).getResult();
        var made = new HashMap<String, Object>();
        made.put("id", found.getId());
        made.put("dokumentnavn", found.getDokumentnavn());
        made.put("mimeType", found.getMimeType());
        made.put("ukryptertStorrelse", found.getUkryptertStorrelse());
        made.put("kryptertStorrelse", found.getKryptertStorrelse());
        made.put("korrelasjonsid", found.getKorrelasjonsid());
        return made;
    }

    private Object update(JsonNode ask) {
        var asked = DokumentMetadataUpdate.builder().ttl(ttl(ask)).tilgjengeligTil(tilgjengeligTil(ask)).build();
        var found = client.updateMetadata(org(ask), konto(ask), Lines.id(ask, "id"), asked).getResult();
        var made = new HashMap<String, Object>();
        made.put("id", found.getId());
        made.put("tilgjengeligTil", found.getTilgjengeligTil() == null ? null : found.getTilgjengeligTil().toString());
        return made;
    }

    private Object search(JsonNode ask) {
        var fra = ask.has("fra") ? ask.get("fra").asInt() : null;
        var til = ask.has("til") ? ask.get("til").asInt() : null;
        var found = client.sokDokumenterMedKorrelasjonsid(
            org(ask), konto(ask), Lines.id(ask, "korrelasjonsid"), fra, til).getResult();
        return Map.of("totaltAntallTreff", found.getTotaltAntallTreff(),
            "dokumenter", found.getDokumenter().stream().map(Dokumentlager::shown).toList());
    }

    private static DokumentMetadataUpload described(JsonNode ask) {
        return DokumentMetadataUpload.builder()
            .dokumentnavn(ask.get("dokumentnavn").asText())
            .mimetype(ask.get("mimetype").asText())
            .ttl(ttl(ask))
            .tilgjengeligTil(tilgjengeligTil(ask))
            .eksponertFor(exposed(ask.get("eksponertFor")))
            .sikkerhetsniva(ask.has("sikkerhetsniva") ? ask.get("sikkerhetsniva").asInt() : null)
            .korrelasjonsid(ask.has("korrelasjonsid") ? Lines.id(ask, "korrelasjonsid") : null)
            .ikkeLagreDokumentLastetNed(ask.has("ikkeLagreDokumentLastetNed") ? true : null)
            .build();
    }

    private static Long ttl(JsonNode ask) {
        return ask.has("ttl") ? ask.get("ttl").asLong() : null;
    }

    private static OffsetDateTime tilgjengeligTil(JsonNode ask) {
        return ask.has("tilgjengeligTil") ? OffsetDateTime.parse(ask.get("tilgjengeligTil").asText()) : null;
    }

    private static Set<EksponertFor> exposed(JsonNode ask) {
        var made = new HashSet<EksponertFor>();
        for (var one : ask) {
            made.add(switch (one.get("type").asText()) {
                case "PERSON" -> new EksponertForPerson(one.get("fnr").asText());
                case "ORGANISASJON" -> new EksponertForOrganisasjon(one.get("orgnr").asText(),
                    one.has("ressursType") ? RessursType.valueOf(one.get("ressursType").asText()) : null);
                case "INTEGRASJON" -> new EksponertForIntegrasjon(Lines.id(one, "id"));
                case "AUTORISASJON" -> new EksponertForAutorisasjon(
                    one.get("privilegium").asText(), Lines.id(one, "ressurs"));
                case "MATRIKKELENHET" -> new EksponertForMatrikkelenhet(new EksponertForMatrikkelenhet.Matrikkelenhet(
                    one.get("kommunenummer").asText(), one.get("gardsnummer").asText(),
                    one.get("bruksnummer").asText(), "0", "0"));
                default -> throw new IllegalArgumentException("nobody is exposed to as " + one.get("type"));
            });
        }
        return made;
    }

    private static Object shown(DokumentlagerResponse<DokumentMetadataUploadResult> response) {
        var found = response.getResult();
        return Map.of("id", found.getId(), "dokumentnavn", found.getDokumentnavn(), "mimeType", found.getMimeType(),
            "ukryptertStorrelse", found.getUkryptertStorrelse(), "kryptertStorrelse", found.getKryptertStorrelse(),
            "status", response.getHttpStatus(), "headers", headers(response));
    }

    private static Object shown(Soketreff found) {
        var made = new HashMap<String, Object>();
        made.put("id", found.getId());
        made.put("dokumentnavn", found.getDokumentnavn());
        made.put("mimetype", found.getMimetype());
        made.put("ukryptertStorrelse", found.getUkryptertStorrelse());
        made.put("kryptertStorrelse", found.getKryptertStorrelse());
        made.put("opprettet", found.getOpprettet().toString());
        made.put("slettet", found.getSlettet());
        made.put("korrelasjonsid", found.getKorrelasjonsid());
        return made;
    }

    /** All of it is read, and what was read is told. The first call of a lazy one sends the request. */
    private static Object content(DokumentlagerResponse<InputStream> response, JsonNode ask) throws Exception {
        var hash = MessageDigest.getInstance("SHA-256");
        long size = 0;
        var buffer = new byte[1 << 16];
        try (var content = new DigestInputStream(new Pausing(response.getResult(), ask), hash)) {
            for (var read = content.read(buffer); read >= 0; read = content.read(buffer)) {
                size += read;
            }
        }
        return Map.of("sha256", HexFormat.of().formatHex(hash.digest()), "size", size,
            "status", response.getHttpStatus(), "headers", headers(response));
    }

    private static Map<String, String> headers(DokumentlagerResponse<?> response) {
        var found = new HashMap<String, String>();
        HEADERS.forEach(name -> response.getHeader(name).ifPresent(value -> found.put(name, value)));
        return found;
    }

    private static UUID org(JsonNode ask) {
        return Lines.id(ask, "fiksOrgId");
    }

    private static UUID konto(JsonNode ask) {
        return Lines.id(ask, "kontoId");
    }

    private static void tell(Throwable fault, ObjectNode said) {
        if (fault instanceof DokumentlagerHttpException refused) {
            said.put("error", refused.getMessage()).put("status", refused.getStatus());
        }
    }

    /** Gives all that there is, after a pause before the second piece. */
    private static final class Pausing extends FilterInputStream {
        private final long millis;
        private int pieces;

        Pausing(InputStream content, JsonNode ask) {
            super(content);
            millis = ask.path("pauseMillis").asLong(0);
        }

        @Override
        public int read(byte[] buffer, int from, int length) throws IOException {
            if (++pieces == 2) {
                try {
                    Thread.sleep(millis);
                } catch (InterruptedException ended) {
                    throw new InterruptedIOException();
                }
            }
            return super.read(buffer, from, length);
        }
    }
}
