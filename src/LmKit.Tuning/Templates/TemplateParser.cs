namespace LmKit;

/// <summary>Parses the statements of a template.</summary>
internal sealed class TemplateParser : TemplateExpressionParser
{
    private const int DeepestNesting = 100;

    private int blockDepth;

    private TemplateParser(IReadOnlyList<TemplateToken> tokens)
        : base(tokens)
    {
    }

    internal static IReadOnlyList<TemplateNode> Parse(string source)
    {
        var parser = new TemplateParser(TemplateLexer.Read(source));
        var body = parser.Body();
        return parser.Current.Kind == TemplateTokenKind.End ? body : throw parser.Fault("a statement is expected");
    }

    // Nodes up to a block that begins with one of the names, which stays the current token.
    private List<TemplateNode> Body(params string[] ends)
    {
        if (++blockDepth > DeepestNesting)
            throw new TemplateException($"line {Current.Line}: the nesting is deeper than {DeepestNesting}.");
        var nodes = new List<TemplateNode>();
        while (true)
        {
            var token = Current;
            switch (token.Kind)
            {
                case TemplateTokenKind.Data:
                    nodes.Add(new TextNode(MarkedText.Trusted(Take().Text)));
                    break;
                case TemplateTokenKind.OutputStart:
                    _ = Take();
                    nodes.Add(new OutputNode(Tuple()));
                    End(TemplateTokenKind.OutputEnd);
                    break;
                case TemplateTokenKind.BlockStart:
                    _ = Take();
                    if (Current.Kind == TemplateTokenKind.Name && ends.Contains(Current.Text))
                    {
                        blockDepth--;
                        return nodes;
                    }
                    nodes.Add(Statement());
                    break;
                default:
                    if (ends.Length > 0)
                        throw Fault($"'{ends[^1]}' is expected");
                    blockDepth--;
                    return nodes;
            }
        }
    }

    private TemplateNode Statement()
    {
        var name = Name();
        switch (name)
        {
            case "for":
                return For();
            case "if":
                return If();
            case "set":
                return Set();
            case "macro":
                return Macro();
            case "generation":
                return new GenerationNode(Block("endgeneration"));
            case "break":
                End();
                return new BreakNode();
            case "continue":
                End();
                return new ContinueNode();
            default:
                throw new TemplateException($"line {Current.Line}: the statement '{name}' is not supported.");
        }
    }

    private void End(TemplateTokenKind kind = TemplateTokenKind.BlockEnd)
    {
        if (Take().Kind != kind)
            throw Fault("the end of the block is expected before this");
    }

    private List<TemplateNode> Block(string end)
    {
        End();
        var body = Body(end);
        Expect(end);
        End();
        return body;
    }

    private ForNode For()
    {
        var targets = Targets();
        Expect("in");
        var items = Expression(allowsCondition: false);
        var filter = Skip("if") ? Expression() : null;
        End();
        var body = Body("else", "endfor");
        var otherwise = new List<TemplateNode>();
        if (Skip("else"))
        {
            End();
            otherwise = Body("endfor");
        }
        Expect("endfor");
        End();
        return new ForNode(targets, items, filter, body, otherwise);
    }

    private IfNode If()
    {
        var branches = new List<(TemplateExpression, IReadOnlyList<TemplateNode>)>();
        var otherwise = new List<TemplateNode>();
        do
        {
            var test = Tuple();
            End();
            branches.Add((test, Body("elif", "else", "endif")));
        }
        while (Skip("elif"));
        if (Skip("else"))
        {
            End();
            otherwise = Body("endif");
        }
        Expect("endif");
        End();
        return new IfNode(branches, otherwise);
    }

    private TemplateNode Set()
    {
        var targets = Targets();
        var member = targets.Count == 1 && Skip(".") ? Name() : null;
        if (Skip("="))
        {
            var value = Tuple();
            End();
            return new SetNode(targets, member, value);
        }
        return new SetBlockNode(targets[0], Block("endset"));
    }

    private MacroNode Macro()
    {
        var name = Name();
        var parameters = new List<(string, TemplateExpression?)>();
        Expect("(");
        while (!Skip(")"))
        {
            var parameter = Name();
            parameters.Add((parameter, Skip("=") ? Expression() : null));
            if (!Skip(",") && !Is(TemplateTokenKind.Operator, ")"))
                throw Fault("',' or ')' is expected");
        }
        return new MacroNode(name, parameters, Block("endmacro"));
    }

    private List<string> Targets()
    {
        var isWrapped = Skip("(");
        var targets = new List<string> { Name() };
        while (Skip(","))
            targets.Add(Name());
        if (isWrapped)
            Expect(")");
        return targets;
    }
}
