namespace LmKit.InstructionTuning;

/// <summary>The tokenizer of a world, and how its models take conversations.</summary>
public sealed class Vocabulary
{
    private const string End = "<eos>";
    private const string User = "<user>";
    private const string Assistant = "<asst>";
    private static readonly string[] Controls = [End, "<pad>", User, Assistant, WordTokenizer.Unknown];

    /// <summary>Makes the vocabulary of a world.</summary>
    public Vocabulary(World world)
    {
        ArgumentNullException.ThrowIfNull(world);
        var words = new WordTokenizer(Controls, world.Words);
        Tokenizer = new ModelTokenizer(words, words.Count, EndOfTextId: 0);
        var special = Controls.Index().ToDictionary(entry => entry.Item, entry => entry.Index);
        Chat = Format("{{ bos_token }}{% for message in messages %}<user> {{ message.content }} <asst> {% endfor %}");
        Plain = Format("{{ bos_token }}{% for message in messages %}{{ message.content }} {% endfor %}");

        ChatTemplateFormat Format(string template) => new(ChatTemplate.Parse(template), Tokenizer, special, beginToken: End, endToken: End);
    }

    /// <summary>The tokenizer.</summary>
    public ModelTokenizer Tokenizer { get; }

    /// <summary>With role tokens, for tuned models.</summary>
    public ChatTemplateFormat Chat { get; }

    /// <summary>Without, for the base model and for statements to complete.</summary>
    public ChatTemplateFormat Plain { get; }

    /// <summary>The ids of the role tokens, which no text before tuning contains.</summary>
    public long[] RoleTokens { get; } = [Array.IndexOf(Controls, User), Array.IndexOf(Controls, Assistant)];
}
