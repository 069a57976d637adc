using System.Globalization;
using System.Text.Json.Nodes;

namespace LmKit;

/// <summary>A question with its choices.</summary>
/// <param name="Context">What stands before the choice.</param>
/// <param name="Choices">The choices; two or more.</param>
/// <param name="Answer">Which one is right, from 0.</param>
/// <param name="Place">Where it came from, for messages.</param>
public sealed record MultipleChoiceItem(string Context, IReadOnlyList<string> Choices, int Answer, string Place = "");

/// <summary>Names of the fields of a file of questions.</summary>
/// <remarks>Null stands for the names that are usual: <c>context</c>, <c>query</c>, <c>question</c>, <c>prompt</c>, <c>ctx</c>; <c>choices</c>, <c>endings</c>, <c>options</c>;
/// <c>answer</c>, <c>gold</c>, <c>label</c>, <c>answerKey</c>. The first that a line has is taken.</remarks>
public sealed class MultipleChoiceFields
{
    /// <summary>The field of the context.</summary>
    public string? Context { get; set; }

    /// <summary>The field of the choices: a list of texts, a list of objects with <c>text</c> and <c>label</c>, or an object with lists of both.</summary>
    public string? Choices { get; set; }

    /// <summary>The field of the right choice: its index from 0, its label, or a letter from A.</summary>
    public string? Answer { get; set; }
}

/// <summary>Reads questions from a file with one JSON object a line.</summary>
internal static class MultipleChoiceFile
{
    private const int LongestLine = 1 << 20;

    private static readonly string[] contexts = ["context", "query", "question", "prompt", "ctx"];
    private static readonly string[] choices = ["choices", "endings", "options"];
    private static readonly string[] answers = ["answer", "gold", "label", "answerKey"];

    internal static IEnumerable<MultipleChoiceItem> Read(string path, MultipleChoiceFields fields)
    {
        using var stream = InputFile.Open(path, (problem, cause) => new TextDataException(path, $"{problem}.", cause));
        var (number, isEmpty) = (0, true);
        foreach (var (bytes, _) in FileLines.Read(stream, LongestLine, at => new TextDataException($"{path}:{at}", $"the line has more than {LongestLine} bytes; a question has at most so many.")))
        {
            number++;
            if (bytes.AsSpan().Trim(" \t\r"u8).IsEmpty)
                continue;
            isEmpty = false;
            var place = $"{path}:{number}";
            var line = StrictJson.ParseObject(bytes, (where, problem, cause) => new TextDataException(place, $"{where}: {problem}. Each line is one JSON object.", cause), LongestLine);
            yield return new Line(line, place).Read(fields);
        }
        if (isEmpty)
            throw new TextDataException(path, "the file holds no question; write one JSON object a line.");
    }

    private sealed class Line(JsonObject root, string place)
    {
        internal MultipleChoiceItem Read(MultipleChoiceFields fields)
        {
            var context = Text(Field(fields.Context, contexts), root);
            var name = Field(fields.Choices, choices);
            string[] texts;
            string?[] labels = [];
            switch (root[name])
            {
                case JsonArray list:
                    texts = [.. list.Select((item, index) => item is JsonObject choice ? Text("text", choice, $"{name}[{index}].") : Text(item, $"{name}[{index}]"))];
                    labels = [.. list.Select(item => (item as JsonObject)?["label"] is { } label ? Label(label) : null)];
                    break;
                case JsonObject both when both["text"] is JsonArray list:
                    texts = [.. list.Select((item, index) => Text(item, $"{name}.text[{index}]"))];
                    labels = both["label"] is JsonArray named ? [.. named.Select(label => label is null ? null : Label(label))] : [];
                    break;
                default:
                    throw Fault(name, "is not a list of choices");
            }
            if (texts.Length < 2)
                throw Fault(name, $"holds {texts.Length} choices; a question has at least two");
            if (Array.FindIndex(texts, text => text.Length == 0) is var empty and >= 0)
                throw Fault(name, $"[{empty}] is empty; a choice has at least one letter");
            return new MultipleChoiceItem(context, texts, Answer(Field(fields.Answer, answers), texts, labels), place);
        }

        private string Field(string? stated, string[] usual) =>
            (stated is null ? usual : [stated]).FirstOrDefault(root.ContainsKey)
            ?? throw new TextDataException(place, $"the line has no {(stated is null ? $"field of {string.Join(", ", usual)}" : $"field {stated}")}; it has {StrictJson.Shown(string.Join(", ", root.Select(pair => pair.Key)))}.");

        private int Answer(string name, string[] texts, string?[] labels)
        {
            var node = root[name];
            if (node is JsonValue value && value.TryGetValue(out long index) && !labels.Contains(Label(node)))
                return index >= 0 && index < texts.Length ? (int)index : throw Fault(name, $"= {index} is not one of the {texts.Length} choices, counted from 0");
            var word = Label(node ?? throw Fault(name, "is null; it says which choice is right"));
            if (Array.IndexOf(labels, word) is var at and >= 0)
                return at;
            if (long.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out index) && index < texts.Length)
                return (int)index;
            return word is [>= 'A' and <= 'Z'] && word[0] - 'A' < texts.Length ? word[0] - 'A'
                : throw Fault(name, $"= {StrictJson.Shown(node)} is neither the index of one of the {texts.Length} choices nor its label");
        }

        private string Text(string name, JsonObject from, string before = "") => Text(from[name], before + name);

        private string Text(JsonNode? node, string name) => node is JsonValue value && value.TryGetValue(out string? text) ? text : throw Fault(name, $"= {StrictJson.Shown(node)} is not a text");

        private static string Label(JsonNode node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : node.ToJsonString();

        private TextDataException Fault(string name, string problem) => new(place, $"{name} {problem}.");
    }
}
