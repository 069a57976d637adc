namespace LmKit.Architecture.Tests;

/// <summary>Braces, names of private fields and access of members follow one rule each; `tools/LmKit.House -- hand --fix` mends most of it.</summary>
public class OneHandTests
{
    private const string Command = "`dotnet run -c Release --project tools/LmKit.House -- hand --fix` mends it.";

    [Fact]
    public void Sources_are_written_in_one_hand() =>
        Offenders.None(
            $"No braces around one short statement, no underscore before a private field. {Command}",
            OneHand.BySyntax(OneHand.Folders.SelectMany(folder => Repository.Files(folder, ".cs"))).Select(offence => $"{offence}"));

    [Fact]
    public void Members_of_an_internal_type_are_internal() =>
        Offenders.None(
            $"Members of a type that is not public are internal, unless an interface, an override, an operator or a serializer needs them. {Command}",
            Access.In([.. Sources.Packages.Select(package => package.Compilation)]).Select(offence => $"{offence}"));

    [Theory]
    [InlineData("if (a)\n{\n    B();\n}", "if (a)\n    B();")]
    [InlineData("if (a)\n{\n    B(); // why\n}\nC();", "if (a)\n    B(); // why\nC();")]
    [InlineData("if (a)\n{\n    B();\n}\nelse if (c)\n{\n    D();\n}\nelse\n{\n    E();\n}", "if (a)\n    B();\nelse if (c)\n    D();\nelse\n    E();")]
    [InlineData("if (a)\n    B();\nelse\n{\n    C();\n    D();\n}", "if (a)\n{\n    B();\n}\nelse\n{\n    C();\n    D();\n}")]
    [InlineData("foreach (var b in c)\n    D(\n        b);", "foreach (var b in c)\n{\n    D(\n        b);\n}")]
    [InlineData("if (a\n    && b)\n    C(); // why", "if (a\n    && b)\n{\n    C(); // why\n}")]
    [InlineData("for (;;)\n    if (a) B();", "for (;;)\n{\n    if (a) B();\n}")]
    [InlineData("while (a) { B(); }", "while (a)\n    B();")]
    public void Braces_stand_where_a_body_is_more_than_a_line(string before, string after)
    {
        Assert.Equal(Method(after), Mended(Method(before), text => Braces.In(Package(text).Compilation.SyntaxTrees.Last())));
        Assert.Empty(Braces.In(Package(Method(after)).Compilation.SyntaxTrees.Last()));
    }

    [Theory]
    [InlineData("if (a)\n{\n    // why\n    B();\n}")]
    [InlineData("if (a)\n{\n    var b = 1;\n}")]
    [InlineData("if (a)\n{\n}")]
    [InlineData("using (a)\nusing (b)\n{\n    C();\n    D();\n}")]
    [InlineData("if (a)\n{\n    if (b)\n        C();\n}\nelse\n{\n    D();\n}")]
    public void Braces_that_are_needed_stay(string text) => Assert.Empty(Braces.In(Package(Method(text)).Compilation.SyntaxTrees.Last()));

    [Theory]
    [InlineData("private readonly int _a = 1; int B() => _a;", "private readonly int a = 1; int B() => a;")]
    [InlineData("private int _a; void B(int a) => _a = a;", "private int a; void B(int a) => this.a = a;")]
    [InlineData("private const int _a = 1; int B(int a) => _a + a;", "private const int a = 1; int B(int a) => T.a + a;")]
    [InlineData("static int _a; class N { int B() => _a; }", "static int a; class N { int B() => a; }")]
    [InlineData("int _a; T B(int a) => new T { _a = a };", "int a; T B(int a) => new T { a = a };")]
    public void An_underscore_goes_from_every_use(string before, string after) =>
        Assert.Equal(Type(after), Mended(Type(before), text => FieldNames.In(Package(text).Compilation)));

    [Theory]
    [InlineData("private int _class;", "a word of the language")]
    [InlineData("private int _a; private int a;", "a member of T")]
    [InlineData("private int _a; class N { public int a; int B() => a; }", "means something else")]
    public void A_name_that_is_taken_is_left_and_said(string members, string why)
    {
        var offence = Assert.Single(FieldNames.In(Package(Type(members)).Compilation));

        Assert.Empty(offence.Edits);
        Assert.Contains(why, offence.What, StringComparison.Ordinal);
    }

    [Fact]
    public void Members_follow_their_type()
    {
        const string before = """
            public interface IOpen { void Done(); }
            internal interface IHeld { int Held { get; } }
            internal abstract class Base : IHeld { public abstract int Own(); public virtual int Held { get; internal set; } public int Free { get; internal set; } }
            internal sealed class T : Base, IOpen
            {
                public const int Size = 1;
                public T() { }
                public T(int size) { }
                public void Done() { }
                public override int Own() => 1;
                public override string ToString() => "";
                public static T operator +(T a, T b) => a;
                public class Inner { public int Deep; }
            }
            internal sealed class Written { public int Kept { get; set; } public string Text() => System.Text.Json.JsonSerializer.Serialize(this); }
            public class Open { public int Shown; private class Shut { public int Hidden; } }
            """;
        var after = before.Replace("public abstract int Own", "internal abstract int Own", StringComparison.Ordinal)
            .Replace("public int Free { get; internal set; }", "internal int Free { get; set; }", StringComparison.Ordinal)
            .Replace("public const", "internal const", StringComparison.Ordinal).Replace("public T(int", "internal T(int", StringComparison.Ordinal)
            .Replace("public override int Own", "internal override int Own", StringComparison.Ordinal)
            .Replace("public class Inner { public", "internal class Inner { internal", StringComparison.Ordinal)
            .Replace("public string Text", "internal string Text", StringComparison.Ordinal).Replace("public int Hidden", "internal int Hidden", StringComparison.Ordinal);

        Assert.Equal(after, Mended(before, text => Access.In([Package(text).Compilation])));
    }

    private static string Mended(string text, Func<string, IEnumerable<Offence>> read) => OneHand.Mended(text, read(text).SelectMany(offence => offence.Edits));

    private static Package Package(string text) => House.Package.Of("LmKit.Toy", "src/LmKit.Toy", [new SourceFile("src/LmKit.Toy/Toy.cs", text)]);

    private static string Type(string members) => $"internal class T\n{{\n    {members}\n}}\n";

    private static string Method(string body) => $"internal class T\n{{\n    void M()\n    {{\n        {body.Replace("\n", "\n        ", StringComparison.Ordinal)}\n    }}\n}}\n";
}
