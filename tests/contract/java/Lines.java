import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.util.UUID;

/**
 * What the programs that drive published clients share: one JSON object a line comes in, and one a line goes out,
 * {"answer": ...} or {"error": message, "type": class, "status": what the client took from the answer, if anything}.
 */
final class Lines {
    static final ObjectMapper JSON = new ObjectMapper();

    interface Performing {
        Object perform(JsonNode ask) throws Exception;
    }

    interface Telling {
        /** Say of a fault what only its client knows how to say: "error" or "status". */
        void tell(Throwable fault, ObjectNode said);
    }

    private Lines() {}

    /** To the end of the input; then the clients' own threads are ended too. */
    static void serve(Performing performing, Telling telling) throws Exception {
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        var out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (var line = in.readLine(); line != null; line = in.readLine()) {
            var said = JSON.createObjectNode();
            try {
                said.set("answer", JSON.valueToTree(performing.perform(JSON.readTree(line))));
            } catch (Throwable fault) {
                said.put("error", fault.toString()).put("type", fault.getClass().getSimpleName());
                telling.tell(fault, said);
            }
            out.println(JSON.writeValueAsString(said));
        }
        System.exit(0);
    }

    static KeyStore keyStore(JsonNode ask) throws Exception {
        var keyStore = KeyStore.getInstance("PKCS12");
        try (var file = new FileInputStream(ask.get("keyStore").asText())) {
            keyStore.load(file, ask.get("keyStorePassword").asText().toCharArray());
        }
        return keyStore;
    }

    static UUID id(JsonNode ask, String name) {
        return UUID.fromString(ask.get(name).asText());
    }
}
