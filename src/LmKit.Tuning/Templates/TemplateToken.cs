namespace LmKit;

/// <summary>One token of a template: plain text, a delimiter, or a token of an expression.</summary>
internal readonly record struct TemplateToken(TemplateTokenKind Kind, string Text, int Line);

/// <summary>Kinds of template tokens.</summary>
internal enum TemplateTokenKind
{
    Data,
    OutputStart,
    OutputEnd,
    BlockStart,
    BlockEnd,
    Name,
    String,
    Integer,
    Float,
    Operator,
    End,
}
