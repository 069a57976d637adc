namespace LmKit;

/// <summary>Parses the statements of a template.</summary>
internal sealed class TemplateParser : TemplateExpressionParser
{
    private int loops; // that a break would end, in the macro at hand

    private TemplateParser(IEnumerable<TemplateToken> tokens)
        : base(tokens)
    {
    }

    /// <summary>Whether a generation block was read.</summary>
    internal bool MarksGeneration { get; private set; }

    internal static (IReadOnlyList<TemplateNode> Nodes, bool MarksGeneration) Parse(string source)
    {
        try
        {
            var parser = new TemplateParser(TemplateLexer.Read(source));
            var body = parser.Body();
            return parser.Current.Kind == TemplateTokenKind.End ? (body, parser.MarksGeneration) : throw parser.Fault("a statement is expected");
        }
        catch (InsufficientExecutionStackException error)
        {
            throw new TemplateException("the template is nested deeper than this thread's stack allows.", error);
        }
    }

    // Nodes up to a block that begins with one of the names, which stays the current token.
    private List<TemplateNode> Body(params string[] ends)
    {
        Enter();
        var nodes = new List<TemplateNode>();
        while (true)
        {
            var line = Current.Line;
            switch (Current.Kind)
            {
                case TemplateTokenKind.Data:
                    nodes.Add(new TextNode(line, MarkedText.Trusted(Take().Text)));
                    break;
                case TemplateTokenKind.OutputStart:
                    _ = Take();
                    nodes.Add(new OutputNode(line, Tuple()));
                    End(TemplateTokenKind.OutputEnd);
                    break;
                case TemplateTokenKind.BlockStart:
                    _ = Take();
                    if (Current.Kind == TemplateTokenKind.Name && ends.Contains(Current.Text))
                    {
                        Leave();
                        return nodes;
                    }
                    nodes.Add(Statement(line));
                    break;
                default:
                    if (ends.Length > 0)
                        throw Fault($"'{ends[^1]}' is expected");
                    Leave();
                    return nodes;
            }
        }
    }

    private TemplateNode Statement(int line)
    {
        var name = Name();
        switch (name)
        {
            case "for":
                return For(line);
            case "if":
                return If(line);
            case "set":
                return Set(line);
            case "macro":
                return Macro(line);
            case "generation":
                MarksGeneration = true;
                return new GenerationNode(line, Block("endgeneration"));
            case "break" or "continue":
                if (loops == 0)
                    throw new TemplateException($"line {line}: '{name}' stands in no loop.");
                End();
                return name == "break" ? new BreakNode(line) : new ContinueNode(line);
            default:
                throw new TemplateException($"line {line}: the statement '{name}' is not supported.");
        }
    }

    private void End(TemplateTokenKind kind = TemplateTokenKind.BlockEnd)
    {
        if (Current.Kind != kind)
            throw Fault("the end of the block is expected");
        _ = Take();
    }

    private List<TemplateNode> Block(string end)
    {
        End();
        var body = Body(end);
        Expect(end);
        End();
        return body;
    }

    private ForNode For(int line)
    {
        var targets = Targets(isLoop: true);
        Expect("in");
        var items = Tuple(allowsCondition: false);
        if (IsName("recursive"))
            throw Fault("the end of the block is expected; loops that call themselves are not supported");
        var filter = Skip("if") ? Expression() : null;
        End();
        loops++;
        var body = Body("else", "endfor");
        loops--;
        var otherwise = new List<TemplateNode>();
        if (Skip("else"))
        {
            End();
            otherwise = Body("endfor");
        }
        Expect("endfor");
        End();
        return new ForNode(line, targets, items, filter, body, otherwise);
    }

    private IfNode If(int line)
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
        return new IfNode(line, branches, otherwise);
    }

    private TemplateNode Set(int line)
    {
        var targets = Targets();
        var member = targets.Count == 1 && Skip(".") ? Name() : null;
        if (Skip("="))
        {
            var value = Tuple();
            End();
            return new SetNode(line, targets, member, value);
        }
        if (targets.Count > 1 || member is not null)
            throw Fault("'=' is expected");
        return new SetBlockNode(line, targets[0], Block("endset"));
    }

    private MacroNode Macro(int line)
    {
        var name = Name();
        var parameters = new List<(string Name, TemplateExpression?)>();
        Expect("(");
        while (!Skip(")"))
        {
            var parameter = Name();
            if (parameters.Count > 100 || parameters.Exists(one => one.Name == parameter))
                throw Fault($"the parameter '{parameter}' is there twice, or the macro has more than 100");
            var otherwise = Skip("=") ? Expression() : null;
            if (otherwise is null && parameters.Count > 0 && parameters[^1].Item2 is not null)
                throw Fault($"the parameter '{parameter}' needs a default, since the one before has one");
            parameters.Add((parameter, otherwise));
            if (!Skip(",") && !IsSign(")"))
                throw Fault("',' or ')' is expected");
        }
        (var outer, loops) = (loops, 0);
        var body = Block("endmacro");
        loops = outer;
        return new MacroNode(line, name, parameters, body);
    }

    private List<string> Targets(bool isLoop = false)
    {
        var isWrapped = Skip("(");
        var targets = new List<string> { Name() };
        while (Skip(","))
            targets.Add(Name());
        if (isWrapped)
            Expect(")");
        foreach (var name in targets)
        {
            if (name == "loop" && (isLoop || loops > 0))
                throw Fault("'loop' cannot be set where it is the loop; a name is expected");
            if (name is "true" or "True" or "false" or "False" or "none" or "None")
                throw Fault($"'{name}' cannot be set; a name is expected");
        }
        return targets;
    }
}
